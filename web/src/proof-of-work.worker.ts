/** Tries nonces until one solves the challenge, and posts that nonce. */

const BATCH = 512;

onmessage = async ({ data }: MessageEvent<{ challenge: string; difficulty: number }>) => {
  const encoder = new TextEncoder();
  for (let start = 0; ; start += BATCH) {
    const nonces = Array.from({ length: BATCH }, (_, index) => (start + index).toString(36));
    const digests = await Promise.all(nonces.map((nonce) => crypto.subtle.digest("SHA-256", encoder.encode(data.challenge + nonce))));
    const found = digests.findIndex((digest) => leadingZeroBits(new Uint8Array(digest)) >= data.difficulty);
    if (found >= 0) return postMessage(nonces[found]);
  }
};

function leadingZeroBits(digest: Uint8Array): number {
  const first = digest.findIndex((byte) => byte !== 0);
  return first < 0 ? 256 : 8 * first + Math.clz32(digest[first]!) - 24;
}
