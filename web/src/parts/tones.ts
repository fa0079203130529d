/** Plays short tones without a sound file. Browsers allow it only after an interaction with the page. */

let context: AudioContext | null = null;

/** Allow sound; call this on a click or key press. */
export function unlockSound(): void {
  context ??= new AudioContext();
  void context.resume();
}

/** Play tones (in Hz) one after another. */
export function playTones(tones: number[], toneSeconds: number, type: OscillatorType = "sine"): void {
  unlockSound();
  for (const [index, frequency] of tones.entries()) {
    const start = context!.currentTime + index * toneSeconds;
    const tone = new OscillatorNode(context!, { frequency, type });
    const volume = new GainNode(context!, { gain: 0 });
    volume.gain.linearRampToValueAtTime(0.3, start + 0.02);
    volume.gain.linearRampToValueAtTime(0, start + 2 * toneSeconds);
    tone.connect(volume).connect(context!.destination);
    tone.start(start);
    tone.stop(start + 2 * toneSeconds);
  }
}
