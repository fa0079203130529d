/** The camera: it reads codes while it is on, and goes to sleep when nobody comes, or when the page is not looked at. */

import { useEffect, useRef, useState } from "preact/hooks";
import { loadDecoder } from "./decoder";
import { useDoorTexts } from "./texts";

const PAUSE_MS = 150; // between two pictures
const SAME_CODE_MS = 3000; // so long a code must be out of sight to count again
const IDLE_MS = 120_000; // after so long without a code the camera sleeps
const VIDEO: MediaStreamConstraints = { audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } };

type State = "off" | "starting" | "on" | "asleep" | "refused" | "missing";

interface Props {
  /** Settles when the code has been dealt with; meanwhile nothing is read. */
  onCode: (text: string) => Promise<unknown>;
  onRunning: (isRunning: boolean) => void;
}

export function Scanner({ onCode, onRunning }: Props) {
  const { d } = useDoorTexts();
  const [state, setState] = useState<State>("off");
  const video = useRef<HTMLVideoElement>(null);
  const latest = useRef(onCode);
  latest.current = onCode;
  const isWanted = state === "starting" || state === "on";
  useEffect(() => {
    if (!isWanted) return;
    onRunning(true);
    const stop = run(video.current!, (text) => latest.current(text), setState);
    return () => {
      stop();
      onRunning(false);
    };
  }, [isWanted]);
  useEffect(() => {
    const sleep = () => document.visibilityState === "hidden" && setState((before) => (before === "on" ? "asleep" : before));
    const wake = () => document.visibilityState === "visible" && setState((before) => (before === "asleep" ? "starting" : before));
    const look = () => (sleep(), wake());
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  const note = { off: null, starting: null, on: d.scanner.ready, asleep: d.scanner.asleep, refused: d.scanner.refused, missing: d.scanner.missing }[state];
  return (
    <section class={`scanner scanner-${state}`} aria-label={d.scanner.title}>
      <video ref={video} class="scanner-picture" playsInline muted aria-hidden="true" hidden={!isWanted} />
      {note && <p role="status">{note}</p>}
      <button type="button" class={`button ${isWanted ? "button-quiet" : ""}`} onClick={() => setState(isWanted ? "off" : "starting")}>
        {isWanted ? d.scanner.stop : d.scanner.start}
      </button>
    </section>
  );
}

/** Runs the camera. Returns how to stop it. */
function run(video: HTMLVideoElement, onCode: Props["onCode"], tell: (state: State) => void): () => void {
  let stream: MediaStream | null = null;
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
    } else if (time - busyAt > IDLE_MS) return tell("asleep");
    if (!isStopped) timer = setTimeout(look, PAUSE_MS);
  };
  const start = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia(VIDEO);
      if (isStopped) return stop();
      video.srcObject = stream;
      await video.play();
      tell("on");
      void look();
    } catch (error) {
      if (!isStopped) tell(error instanceof DOMException && error.name === "NotAllowedError" ? "refused" : "missing");
    }
  };
  const stop = () => {
    isStopped = true;
    clearTimeout(timer);
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  };
  void start();
  return stop;
}
