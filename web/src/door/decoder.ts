/** Reads QR codes from pictures: by the browser's own BarcodeDetector, else by a decoder in JavaScript, which is loaded only then. */

import type { BarcodeDetector } from "qr/decode.js";

type DetectorClass = typeof BarcodeDetector;

/** The text of a code in the picture; null if there is none. */
export type Decoder = (picture: CanvasImageSource) => Promise<string | null>;

const FORMAT = "qr_code";
let decoder: Promise<Decoder> | null = null;

/** Called before the network is lost, so that everything is there by then. */
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
