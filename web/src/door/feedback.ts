/** Sound and vibration for the outcome of a scan, because door staff look at faces, not at the screen. */

import { playTones } from "../parts/tones";
import type { ScanRecord } from "./device-store";
import { isUndone } from "./scan-log";

/** Each tone has a color (styles/door.css), a sign, a sound and a vibration. */
export type Tone = "good" | "out" | "again" | "elsewhere" | "early" | "void" | "undone";

const TONES: Record<string, Tone> = {
  admitted: "good",
  exited: "out",
  already_admitted: "again",
  too_many_people: "again",
  wrong_event: "elsewhere",
  wrong_day: "early",
  doors_not_open: "early",
};
export const SIGNS: Record<Tone, string> = { good: "✓", out: "←", again: "↺", elsewhere: "⇄", early: "◷", void: "✕", undone: "↶" };

const SOUNDS: Record<Tone, { tones: number[]; seconds: number; type: OscillatorType }> = {
  good: { tones: [880, 1320], seconds: 0.09, type: "sine" },
  again: { tones: [440, 440, 440], seconds: 0.13, type: "square" },
  elsewhere: { tones: [660, 440], seconds: 0.16, type: "triangle" },
  early: { tones: [550, 550], seconds: 0.2, type: "triangle" },
  void: { tones: [220, 165], seconds: 0.25, type: "sawtooth" },
  out: { tones: [1320, 880], seconds: 0.09, type: "sine" },
  undone: { tones: [660], seconds: 0.12, type: "sine" },
};
/** Milliseconds on, off, on, and so on. */
const VIBRATIONS: Record<Tone, number[]> = {
  good: [80],
  again: [120, 80, 120, 80, 120],
  elsewhere: [250, 100, 80],
  early: [250, 100, 250],
  void: [500],
  out: [80, 80, 80],
  undone: [60],
};
const KEY = "fairgate.door-sound";

/** Whatever is neither a success nor a refusal with a tone of its own sounds and looks like a ticket that is not valid. */
export function scanTone(scan: ScanRecord): Tone {
  return isUndone(scan) ? "undone" : (TONES[scan.outcome] ?? "void");
}

export function isSoundOn(): boolean {
  return localStorage.getItem(KEY) !== "off";
}

export function setSound(isOn: boolean): void {
  localStorage.setItem(KEY, isOn ? "on" : "off");
}

export function give(tone: Tone): void {
  const { tones, seconds, type } = SOUNDS[tone];
  if (isSoundOn()) playTones(tones, seconds, type);
  navigator.vibrate?.(VIBRATIONS[tone]);
}
