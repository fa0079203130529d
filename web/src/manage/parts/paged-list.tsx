/** A paginated list with its loading, empty and failed states, a status message, and a button for more. */

import type { ComponentChildren } from "preact";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { useRoomTexts } from "../texts";
import type { Pages } from "./use-pages";

interface Props<P, T> {
  found: Pages<P>;
  itemsOf: (page: P) => T[];
  /** What was done to an item. */
  status?: string;
  /** Shown when the list is empty. */
  empty: { title: string; text: string };
  /** Shown above the items, once the first page is loaded. */
  header?: (first: P) => ComponentChildren;
  children: (items: T[]) => ComponentChildren;
}

export function PagedList<P, T>({ found, itemsOf, status, empty, header, children }: Props<P, T>) {
  const own = useRoomTexts("forms");
  const { pages, failure, retry, isWorking, more } = found;
  if (!pages) return failure ? <Failure failure={failure} retry={retry} /> : <Skeleton lines={8} />;
  const items = pages.flatMap(itemsOf);
  return (
    <>
      {header?.(pages[0]!)}
      <div role="status">{status && <p class="notice">{status}</p>}</div>
      {items.length > 0 && children(items)}
      {items.length === 0 && !more && (
        <Outcome tone="calm" title={empty.title}>
          <p>{empty.text}</p>
        </Outcome>
      )}
      {failure && <Failure failure={failure} retry={retry} />}
      {more && (
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={more}>
          {own.more}
        </button>
      )}
    </>
  );
}
