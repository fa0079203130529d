/** Proof of work for joining a busy waiting room, in a worker, so that the page stays quick. */

/** Find a nonce for which sha256(challenge + nonce) begins with `difficulty` zero bits. */
export function solve(challenge: string, difficulty: number): Promise<string> {
  const worker = new Worker(new URL("./proof-of-work.worker.ts", import.meta.url), { type: "module" });
  return new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<string>) => resolve(data);
    worker.onerror = () => reject(new Error("The worker failed."));
    worker.postMessage({ challenge, difficulty });
  }).finally(() => worker.terminate());
}
