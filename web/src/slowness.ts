/** Detects a slow shop: a request has been waiting longer than people wait without an explanation. */

const SLOW_AFTER_MS = 6000;

let slow = 0; // the number of slow requests
const changes = new EventTarget();

/** Count the request as slow while it takes too long. */
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

/** Call `listener` when `isSlow` may have changed. Returns a function that unsubscribes. */
export function onSlowness(listener: () => void): () => void {
  changes.addEventListener("change", listener);
  return () => changes.removeEventListener("change", listener);
}

function count(by: 1 | -1): void {
  slow += by;
  changes.dispatchEvent(new Event("change"));
}
