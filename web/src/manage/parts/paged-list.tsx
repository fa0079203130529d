/** A list that is loaded a page at a time: what is said while it loads, when it is empty and when it fails, what was done, and the way to more. */

import type { ComponentChildren } from "preact";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { useRoomTexts } from "../texts";
import type { Pages } from "./use-pages";

interface Props<P, T> {
  found: Pages<P>;
  itemsOf: (page: P) => T[];
  /** What was done to one of them. */
  said?: string;
  /** What is said when there are none. */
  none: { title: string; text: string };
  /** What stands above them; drawn with the first page. */
  above?: (first: P) => ComponentChildren;
  children: (items: T[]) => ComponentChildren;
}

export function PagedList<P, T>({ found, itemsOf, said, none, above, children }: Props<P, T>) {
  const own = useRoomTexts("forms");
  const { pages, failure, retry, isWorking, more } = found;
  if (!pages) return failure ? <Failure failure={failure} retry={retry} /> : <Skeleton lines={8} />;
  const items = pages.flatMap(itemsOf);
  return (
    <>
      {above?.(pages[0]!)}
      <div role="status">{said && <p class="notice">{said}</p>}</div>
      {items.length > 0 && children(items)}
      {items.length === 0 && !more && (
        <Outcome tone="calm" title={none.title}>
          <p>{none.text}</p>
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
