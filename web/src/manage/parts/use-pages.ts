/** The loaded pages of a paginated list, and a function that loads the next one. */

import { useState } from "preact/hooks";
import type { ApiFailure } from "../../client";
import { useAction, useLoaded } from "../../parts/hooks";

interface Cursored {
  next_cursor: string | null;
}

export interface Pages<P> {
  /** Null until the first page is loaded. */
  pages: P[] | null;
  failure: ApiFailure | null;
  /** Load the failed page again. */
  retry: () => void;
  isWorking: boolean;
  /** Loads the next page; null after the last one. */
  more: (() => void) | null;
  /** Start again with the first page, after a change. */
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
