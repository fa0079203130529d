/** The values of a form: kept in this tab until they are saved, and merged with what others save in the meantime. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure } from "../../client";
import { isSame, merge, theirChanges, type TheirChange, type Values } from "../draft";

interface Kept<V> {
  version: number;
  base: V;
  values: V;
}

export interface Draft<V extends Values> {
  values: V;
  set: (changes: Partial<V>) => void;
  isChanged: boolean;
  /** Changes that someone else saved since this form was opened. Empty again after a save. */
  theirs: TheirChange[];
  /** Save with `send`, which gets the values, the loaded values and their version. A version conflict loads and shows the other person's changes. */
  save: (send: (values: V, base: V, version: number) => Promise<void>) => Promise<void>;
  discard: () => void;
}

const CONFLICTS = ["version_conflict", "precondition_failed"];

/** `key` names the form in this tab; `loaded` has the saved values with their version; `load` loads them again. */
export function useDraft<V extends Values>(key: string, loaded: { version: number; values: V }, load: () => Promise<{ version: number; values: V }>): Draft<V> {
  const address = `fairgate.manage.${key}`;
  const [state, setState] = useState<Kept<V>>(() => {
    const typed: Kept<V> | null = JSON.parse(sessionStorage.getItem(address) ?? "null");
    return typed ?? { version: loaded.version, base: loaded.values, values: loaded.values };
  });
  const [theirs, setTheirs] = useState<TheirChange[]>([]);
  const latest = useRef(state);
  const sent = useRef<V | null>(null);
  const update = (next: Kept<V>) => {
    latest.current = next;
    setState(next);
    if (isSame(next.base, next.values)) sessionStorage.removeItem(address);
    else sessionStorage.setItem(address, JSON.stringify(next));
  };
  const mergeSaved = (saved: { version: number; values: V }) => {
    const { base, values, version } = latest.current;
    if (saved.version === version) return;
    const own = sent.current;
    sent.current = null;
    // The shop may write what was sent in another way, such as 8.5 for 8,50.
    const isSent = (field: string) => own !== null && own[field] !== base[field] && own[field] === values[field];
    const typed = Object.fromEntries(Object.entries(values).map(([field, value]) => [field, isSent(field) ? saved.values[field] : value])) as V;
    setTheirs(theirChanges(base, typed, saved.values));
    update({ version: saved.version, base: saved.values, values: merge(base, typed, saved.values) as V });
  };
  useEffect(() => mergeSaved(loaded), [loaded.version]);
  return {
    values: state.values,
    isChanged: !isSame(state.base, state.values),
    theirs,
    set: (changes) => update({ ...latest.current, values: { ...latest.current.values, ...changes } }),
    save: async (send) => {
      const { version, base, values } = latest.current;
      sent.current = values;
      try {
        await send(values, base, version);
      } catch (error) {
        sent.current = null;
        if (error instanceof ApiFailure && CONFLICTS.includes(error.code)) mergeSaved(await load());
        throw error;
      }
      sessionStorage.removeItem(address);
      setTheirs([]);
    },
    discard: () => {
      setTheirs([]);
      update({ ...latest.current, values: latest.current.base });
    },
  };
}
