/** Sound and vibration for the outcome of a scan, because door staff look at faces, not at the screen. */

import { playTones } from "../parts/tones";

/** Each tone has a colour (styles/door.css), a sign, a sound and a vibration. */
export type Tone = "good" | "again" | "elsewhere" | "early" | "void" | "unknown";

const TONES: Record<string, Tone> = {
  admitted: "good",
  already_admitted: "again",
  too_many_people: "again",
  wrong_event: "elsewhere",
  wrong_day: "early",
  doors_not_open: "early",
  event_over: "void",
  event_cancelled: "void",
  ticket_refunded: "void",
  ticket_void: "void",
  ticket_frozen: "void",
  code_unknown: "void",
  code_replaced: "void",
  signature_invalid: "void",
  ticket_not_found: "void",
};
export const SIGNS: Record<Tone, string> = { good: "✓", again: "↺", elsewhere: "⇄", early: "◷", void: "✕", unknown: "?" };

const SOUNDS: Record<Tone, { tones: number[]; seconds: number; type: OscillatorType }> = {
  good: { tones: [880, 1320], seconds: 0.09, type: "sine" },
  again: { tones: [440, 440, 440], seconds: 0.13, type: "square" },
  elsewhere: { tones: [660, 440], seconds: 0.16, type: "triangle" },
  early: { tones: [550, 550], seconds: 0.2, type: "triangle" },
  void: { tones: [220, 165], seconds: 0.25, type: "sawtooth" },
  unknown: { tones: [330], seconds: 0.3, type: "square" },
};
/** Milliseconds on, off, on, and so on. */
const VIBRATIONS: Record<Tone, number[]> = {
  good: [80],
  again: [120, 80, 120, 80, 120],
  elsewhere: [250, 100, 80],
  early: [250, 100, 250],
  void: [500],
  unknown: [120, 80, 400],
};
const KEY = "fairgate.door-sound";

export function outcomeTone(outcome: string): Tone {
  return TONES[outcome] ?? "unknown";
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
