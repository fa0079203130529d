/** Whether the shop is slow: some request has waited for longer than people wait without a word. */

const SLOW_AFTER_MS = 6000;

let slow = 0; // how many requests wait for so long
const changes = new EventTarget();

/** Notes it while the answer lets wait for too long. */
export async function watchSlowness<T>(answer: Promise<T>): Promise<T> {
  let isSlow = false;
  const timer = setTimeout(() => {
    isSlow = true;
    count(1);
  }, SLOW_AFTER_MS);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    if (isSlow) count(-1);
  }
}

export const isSlow = () => slow > 0;

/** Calls `listener` when that may have changed. Returns what ends it. */
export function onSlowness(listener: () => void): () => void {
  changes.addEventListener("change", listener);
  return () => changes.removeEventListener("change", listener);
}

function count(by: 1 | -1): void {
  slow += by;
  changes.dispatchEvent(new Event("change"));
}
