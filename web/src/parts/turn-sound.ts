/** A sound when the buyer's turn begins, and again when it was missed, unless the buyer turned it off. Browsers allow it after any click, such as joining. */

import { useEffect, useState } from "preact/hooks";
import { playTones, unlockSound } from "./tones";

const KEY = "fairgate.sound";
const TONES = [660, 880, 1320]; // Hz, one after the other
const TONE_SECONDS = 0.18;

/** `turn` is 0 until the turn; the sound is played when it becomes another number. */
export function useTurnSound(turn: number): { isOn: boolean; choose: (isOn: boolean) => void } {
  const [isOn, setOn] = useState(() => localStorage.getItem(KEY) !== "off");
  useEffect(() => {
    // Without a click since the page was loaded, browsers would keep the sound back and play it at the next click.
    if (turn > 0 && isOn && navigator.userActivation?.hasBeenActive !== false) playTones(TONES, TONE_SECONDS);
  }, [turn]);
  useEffect(() => {
    if (!isOn) return;
    addEventListener("click", unlockSound); // after a reload, browsers play no sound before the first interaction
    addEventListener("keydown", unlockSound);
    return () => (removeEventListener("click", unlockSound), removeEventListener("keydown", unlockSound));
  }, [isOn]);
  const choose = (chosen: boolean) => {
    localStorage.setItem(KEY, chosen ? "on" : "off");
    setOn(chosen);
    if (chosen) playTones(TONES, TONE_SECONDS); // so that the buyer knows the sound and its volume
  };
  return { isOn, choose };
}
