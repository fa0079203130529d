/** The camera of this device: choosing one, its light, and stopping it. */

const KEY = "fairgate.door-camera"; // the camera chosen on this device
const SIZE = { width: { ideal: 1280 }, height: { ideal: 720 } };

/** Why there is no picture. `busy`: another program is using the camera or has taken it over. */
export type CameraFailure = "refused" | "missing" | "busy";

export interface CameraChoice {
  id: string;
  /** The browser's name for the camera; empty if unknown. */
  label: string;
}

export interface Camera {
  stream: MediaStream;
  /** One of `choices`. */
  id: string;
  choices: CameraChoice[];
  hasLight: boolean;
  /** Rejects if the light turns out not to work. */
  setLight: (isOn: boolean) => Promise<void>;
  stop: () => void;
}

/** The torch capability, which the DOM types lack: `true`, or in newer browsers a list of the possible values. */
type LightCapabilities = MediaTrackCapabilities & { torch?: boolean | boolean[] };

/** Start the chosen camera, or else the rear camera. Throws a DOMException. */
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

/** Use this camera from the next start. */
export function chooseCamera(id: string): void {
  localStorage.setItem(KEY, id);
}

export function cameraFailure(error: unknown): CameraFailure {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "refused";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "missing";
}

/** Call `allowed` when the person allows the camera in the browser settings. Returns a function that stops watching. */
export function watchPermission(allowed: () => void): () => void {
  let permission: PermissionStatus | null = null;
  let isOver = false;
  const look = () => permission?.state === "granted" && allowed();
  const watch = async () => {
    permission = await navigator.permissions.query({ name: "camera" as PermissionName });
    if (!isOver) permission.addEventListener("change", look);
  };
  watch().catch(() => {}); // not every browser reports it; the start button remains
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
    if (cameraFailure(error) !== "missing") throw error;
    return navigator.mediaDevices.getUserMedia(facing); // it was unplugged, or the browser has given it a new id
  }
}
