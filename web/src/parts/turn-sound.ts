/** A sound when it is the buyer's turn: off until the buyer asks for it, which is also what lets a browser make one. */

import { useEffect, useState } from "preact/hooks";

const KEY = "fairgate.sound";
const TONES = [660, 880, 1320]; // Hz, one after the other
const TONE_SECONDS = 0.18;

let context: AudioContext | null = null;

export function useTurnSound(isTurn: boolean): { isOn: boolean; choose: (isOn: boolean) => void } {
  const [isOn, setOn] = useState(() => localStorage.getItem(KEY) === "on");
  useEffect(() => {
    if (isTurn && isOn) play();
  }, [isTurn]);
  useEffect(() => {
    if (!isOn) return;
    addEventListener("pointerdown", unlock); // after a reload, browsers stay silent until they are touched
    addEventListener("keydown", unlock);
    return () => (removeEventListener("pointerdown", unlock), removeEventListener("keydown", unlock));
  }, [isOn]);
  const choose = (chosen: boolean) => {
    localStorage.setItem(KEY, chosen ? "on" : "off");
    setOn(chosen);
    if (chosen) play(); // so that the buyer knows the sound, and whether it is loud enough
  };
  return { isOn, choose };
}

function unlock(): void {
  context ??= new AudioContext();
  void context.resume();
}

function play(): void {
  unlock();
  for (const [index, frequency] of TONES.entries()) {
    const start = context!.currentTime + index * TONE_SECONDS;
    const tone = new OscillatorNode(context!, { frequency });
    const volume = new GainNode(context!, { gain: 0 });
    volume.gain.linearRampToValueAtTime(0.3, start + 0.02);
    volume.gain.linearRampToValueAtTime(0, start + 2 * TONE_SECONDS);
    tone.connect(volume).connect(context!.destination);
    tone.start(start);
    tone.stop(start + 2 * TONE_SECONDS);
  }
}
