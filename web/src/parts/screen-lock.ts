/** Keeps the screen on while a code is shown or scanned. */

import { useEffect } from "preact/hooks";

/** Keep the screen on, even after the page was hidden for a while. Has no effect in browsers without wake locks. */
export function useScreenLock(isWanted: boolean): void {
  useEffect(() => {
    if (!isWanted || !("wakeLock" in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let isOver = false;
    const request = async () => {
      if (document.visibilityState !== "visible") return;
      const granted = await navigator.wakeLock.request("screen").catch(() => null);
      if (isOver) void granted?.release();
      else lock = granted;
    };
    void request();
    document.addEventListener("visibilitychange", request);
    return () => {
      isOver = true;
      document.removeEventListener("visibilitychange", request);
      void lock?.release();
    };
  }, [isWanted]);
}
