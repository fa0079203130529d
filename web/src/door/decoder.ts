/** Reads QR codes from pictures with the browser's BarcodeDetector, or else with a JavaScript decoder that is loaded on demand. */

import type { BarcodeDetector } from "qr/decode.js";

type DetectorClass = typeof BarcodeDetector;

/** The text of the code in the picture; null without a code. */
export type Decoder = (picture: CanvasImageSource) => Promise<string | null>;

const FORMAT = "qr_code";
let decoder: Promise<Decoder> | null = null;

/** Load the decoder early, so that it is available offline. */
export function loadDecoder(): Promise<Decoder> {
  return (decoder ??= load().catch((failure) => {
    decoder = null;
    throw failure;
  }));
}

async function load(): Promise<Decoder> {
  const detector = new (await findClass())({ formats: [FORMAT] });
  return async (picture) => (await detector.detect(picture))[0]?.rawValue ?? null;
}

async function findClass(): Promise<DetectorClass> {
  const native = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  const formats = (await native?.getSupportedFormats().catch(() => [])) ?? [];
  if (native && formats.includes(FORMAT)) return native;
  return (await import("qr/decode.js")).BarcodeDetector;
}
