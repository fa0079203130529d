/** The camera of this device: which one of several, its light, and how it ends. */

const KEY = "fairgate.door-camera"; // the one that was chosen on this device
const SIZE = { width: { ideal: 1280 }, height: { ideal: 720 } };

/** Why there is no picture. `busy`: another program has the camera, or has taken it away. */
export type CameraFailure = "refused" | "missing" | "busy";

export interface CameraChoice {
  id: string;
  /** The browser's name for it; empty if it gives none. */
  label: string;
}

export interface Camera {
  stream: MediaStream;
  /** Of those in `choices`. */
  id: string;
  choices: CameraChoice[];
  hasLight: boolean;
  /** Rejects where the light cannot be used after all. */
  setLight: (isOn: boolean) => Promise<void>;
  stop: () => void;
}

/** What browsers say of the light, which is not among the types: true, or in newer ones a list of what it can be. */
type LightCapabilities = MediaTrackCapabilities & { torch?: boolean | boolean[] };

/** Start the chosen camera, or else the one that looks away from the person. Raises a DOMException. */
export async function openCamera(): Promise<Camera> {
  const stream = await openStream(localStorage.getItem(KEY));
  const track = stream.getVideoTracks()[0]!;
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const { torch } = (track.getCapabilities?.() ?? {}) as LightCapabilities;
  return {
    stream,
    id: track.getSettings().deviceId ?? "",
    choices: devices.filter(({ kind }) => kind === "videoinput").map(({ deviceId, label }) => ({ id: deviceId, label })),
    hasLight: Array.isArray(torch) ? torch.includes(true) : torch === true,
    setLight: (isOn) => track.applyConstraints({ advanced: [{ torch: isOn } as MediaTrackConstraintSet] }),
    stop: () => track.stop(),
  };
}

/** Take this one from the next start on. */
export function chooseCamera(id: string): void {
  localStorage.setItem(KEY, id);
}

export function failureOf(error: unknown): CameraFailure {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "refused";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "missing";
}

/** Calls `allowed` when the person allows the camera in the browser's settings. Returns how to stop that. */
export function watchPermission(allowed: () => void): () => void {
  let permission: PermissionStatus | null = null;
  let isOver = false;
  const look = () => permission?.state === "granted" && allowed();
  const watch = async () => {
    permission = await navigator.permissions.query({ name: "camera" as PermissionName });
    if (!isOver) permission.addEventListener("change", look);
  };
  watch().catch(() => {}); // not every browser tells; the button to start is there
  return () => {
    isOver = true;
    permission?.removeEventListener("change", look);
  };
}

async function openStream(chosen: string | null): Promise<MediaStream> {
  const facing: MediaStreamConstraints = { audio: false, video: { ...SIZE, facingMode: "environment" } };
  if (!chosen) return navigator.mediaDevices.getUserMedia(facing);
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...SIZE, deviceId: { exact: chosen } } });
  } catch (error) {
    if (failureOf(error) !== "missing") throw error;
    return navigator.mediaDevices.getUserMedia(facing); // it was unplugged, or the browser calls it otherwise now
  }
}
