/** The screen stays on, for who shows a code and for who scans. */

import { useEffect } from "preact/hooks";

/** Keep the screen on, also after the page was hidden for a while; browsers that cannot do it leave it as it is. */
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
