/** A list that the API answers a page at a time: those that were loaded, and the next one when it is asked for. */

import { useState } from "preact/hooks";
import type { ApiFailure } from "../../client";
import { useAction, useLoaded } from "../../parts/hooks";

interface Cursored {
  next_cursor: string | null;
}

export interface Pages<P> {
  /** Null until the first one is there. */
  pages: P[] | null;
  failure: ApiFailure | null;
  /** Ask again for what could not be loaded. */
  retry: () => void;
  isWorking: boolean;
  /** Null when there are no more. */
  more: (() => void) | null;
  /** Begin again with the first page, because something has changed. */
  reload: () => Promise<void>;
}

/** Load the first page once for each `key`. */
export function usePages<P extends Cursored>(load: (cursor?: string) => Promise<P>, key: string): Pages<P> {
  const { value: first, failure, reload } = useLoaded(() => load(), key);
  const [rest, setRest] = useState<{ after: P; pages: P[] } | null>(null);
  const { isWorking, failure: moreFailure, run } = useAction();
  const pages = first && [first, ...(rest?.after === first ? rest.pages : [])];
  const cursor = pages?.at(-1)?.next_cursor;
  const more = () =>
    run(async () => {
      const page = await load(cursor!);
      setRest({ after: first!, pages: [...pages!.slice(1), page] });
    });
  return { pages, failure: failure ?? moreFailure, retry: failure ? () => void reload() : more, isWorking, more: cursor ? more : null, reload };
}
