/** Proof of work for joining a busy waiting room, in a worker, so that the page stays quick. */

import { ApiFailure } from "./client";

/** Send a request. If the API requires proof of work, solve its challenge and send the request again, with the solution. */
export async function withWork<Reply>(send: (work: { challenge?: string; nonce?: string }) => Promise<Reply>): Promise<Reply> {
  try {
    return await send({});
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.code !== "challenge_required") throw error;
    const challenge = String(error.details.challenge);
    return send({ challenge, nonce: await solve(challenge, Number(error.details.difficulty)) });
  }
}

/** Find a nonce for which sha256(challenge + nonce) begins with `difficulty` zero bits. */
function solve(challenge: string, difficulty: number): Promise<string> {
  const worker = new Worker(new URL("./proof-of-work.worker.ts", import.meta.url), { type: "module" });
  return new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<string>) => resolve(data);
    worker.onerror = () => reject(new Error("The worker failed."));
    worker.postMessage({ challenge, difficulty });
  }).finally(() => worker.terminate());
}
