/** Sounds of a few tones, without a file. A browser makes them only after the page was touched. */

let context: AudioContext | null = null;

/** Call it when the page is touched or a key is pressed. */
export function unlockSound(): void {
  context ??= new AudioContext();
  void context.resume();
}

/** Play tones (Hz) one after the other. */
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
