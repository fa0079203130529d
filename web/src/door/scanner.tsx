/** The scanner: reads codes while the camera is on, and sleeps when no code appears for a while or the page is hidden. */

import { useEffect, useRef, useState } from "preact/hooks";
import { chooseCamera, cameraFailure, openCamera, watchPermission, type Camera, type CameraFailure } from "./camera";
import { loadDecoder } from "./decoder";
import { useDoorTexts } from "./texts";

const PAUSE_MS = 150; // between two frames
const SAME_CODE_MS = 3000; // a code must be out of sight this long before it is read again
const IDLE_MS = 120_000; // without a code for this long, the camera sleeps

type State = "off" | "starting" | "on" | "asleep" | CameraFailure;

interface Props {
  /** Settles when the code has been processed; no code is read until then. */
  onCode: (text: string) => Promise<unknown>;
  onRunning: (isRunning: boolean) => void;
}

export function Scanner({ onCode, onRunning }: Props) {
  const { d } = useDoorTexts();
  const [state, setState] = useState<State>("off");
  const [camera, setCamera] = useState<Camera | null>(null);
  const [starts, setStarts] = useState(0); // restarts the effect with another camera
  const video = useRef<HTMLVideoElement>(null);
  const latest = useRef(onCode);
  latest.current = onCode;
  const isWanted = state === "starting" || state === "on";
  useEffect(() => {
    if (!isWanted) return;
    onRunning(true);
    const opened = (opened: Camera) => (setCamera(opened), setState("on"));
    const stop = run(video.current!, (text) => latest.current(text), opened, setState);
    return () => {
      stop();
      setCamera(null);
      onRunning(false);
    };
  }, [isWanted, starts]);
  useEffect(() => {
    const sleep = () => document.visibilityState === "hidden" && setState((before) => (before === "on" ? "asleep" : before));
    const wake = () => document.visibilityState === "visible" && setState((before) => (before === "asleep" ? "starting" : before));
    const look = () => (sleep(), wake());
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  useEffect(() => (state === "refused" ? watchPermission(() => setState("starting")) : undefined), [state]);
  const choose = (id: string) => {
    chooseCamera(id);
    setStarts(starts + 1);
  };
  const note = state === "off" || state === "starting" ? null : d.scanner[state];
  return (
    <section class={`scanner scanner-${state}`} aria-label={d.scanner.title}>
      <video ref={video} class="scanner-picture" playsInline muted aria-hidden="true" hidden={!isWanted} />
      <p role="status">{note}</p>
      {camera && <Light key={camera.id} camera={camera} />}
      {camera && camera.choices.length > 1 && (
        <label class="field">
          <span>{d.scanner.choice}</span>
          <select value={camera.id} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {camera.choices.map(({ id, label }, index) => (
              <option key={id} value={id}>
                {label || d.scanner.nameless(index + 1)}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="button" class={`button ${isWanted || state === "missing" ? "button-quiet" : ""}`} onClick={() => setState(isWanted ? "off" : "starting")}>
        {isWanted ? d.scanner.stop : state === "missing" ? d.scanner.lookAgain : d.scanner.start}
      </button>
    </section>
  );
}

/** The phone's light, for printed codes in the dark; renders nothing if the camera has no light. */
function Light({ camera }: { camera: Camera }) {
  const { d } = useDoorTexts();
  const [isOn, setOn] = useState(false);
  const [isBroken, setBroken] = useState(!camera.hasLight);
  if (isBroken) return null;
  const turn = () =>
    camera.setLight(!isOn).then(
      () => setOn(!isOn),
      () => setBroken(true),
    );
  return (
    <button type="button" class="button button-quiet" aria-pressed={isOn} onClick={() => void turn()}>
      {d.scanner.light}
    </button>
  );
}

/** Run the camera. Returns a function that stops it. */
function run(video: HTMLVideoElement, onCode: Props["onCode"], opened: (camera: Camera) => void, say: (state: State) => void): () => void {
  let camera: Camera | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  const last = { text: "", seenAt: 0 };
  let busyAt = Date.now();
  const look = async () => {
    const text = await (await loadDecoder())(video).catch(() => null);
    if (isStopped) return;
    const time = Date.now();
    if (text !== null) {
      const isNew = text !== last.text || time - last.seenAt > SAME_CODE_MS;
      if (isNew) await onCode(text).catch(() => {});
      Object.assign(last, { text, seenAt: Date.now() });
      busyAt = Date.now();
    } else if (time - busyAt > IDLE_MS) return say("asleep");
    if (!isStopped) timer = setTimeout(look, PAUSE_MS);
  };
  const start = async () => {
    try {
      camera = await openCamera();
      if (isStopped) return stop();
      video.srcObject = camera.stream;
      await video.play();
      if (isStopped) return;
      // A phone call or another app took the camera. The page stopping it is not reported.
      camera.stream.getVideoTracks()[0]!.addEventListener("ended", () => !isStopped && say("busy"));
      opened(camera);
      void look();
    } catch (error) {
      if (!isStopped) say(cameraFailure(error));
    }
  };
  const stop = () => {
    isStopped = true;
    clearTimeout(timer);
    camera?.stop();
    video.srcObject = null;
  };
  void start();
  return stop;
}
