/** A container that scrolls a wide table sideways, also with the keyboard, and says so above the table. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useRoomTexts } from "../texts";

/** `label`: the name of the table, for screen readers. */
export function TablePlace({ label, children }: { label: string; children: ComponentChildren }) {
  const own = useRoomTexts("forms");
  const place = useRef<HTMLDivElement>(null);
  const [isCut, setCut] = useState(false);
  useLayoutEffect(() => {
    const element = place.current!;
    const measure = () => setCut(element.scrollWidth > element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    observer.observe(element.firstElementChild!);
    return () => observer.disconnect();
  }, []);
  return (
    <div class="wide">
      {isCut && (
        <p class="small" aria-hidden="true">
          {own.scrollSideways} →
        </p>
      )}
      <div class="table-place" tabIndex={isCut ? 0 : undefined} role="region" aria-label={label} ref={place}>
        {children}
      </div>
    </div>
  );
}
