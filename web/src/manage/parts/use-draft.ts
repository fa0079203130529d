/** The values of a form: kept in this tab until they are saved, and merged with what others save in the meantime. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure } from "../../client";
import { merge, theirChanges, type TheirChange, type Values } from "../draft";

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
  const [kept, setKept] = useState<Kept<V>>(() => {
    const typed: Kept<V> | null = JSON.parse(sessionStorage.getItem(address) ?? "null");
    return typed ?? { version: loaded.version, base: loaded.values, values: loaded.values };
  });
  const [theirs, setTheirs] = useState<TheirChange[]>([]);
  const latest = useRef(kept);
  const update = (state: Kept<V>) => {
    latest.current = state;
    setKept(state);
    if (isSame(state.base, state.values)) sessionStorage.removeItem(address);
    else sessionStorage.setItem(address, JSON.stringify(state));
  };
  const follow = (present: { version: number; values: V }) => {
    const { base, values, version } = latest.current;
    if (present.version === version) return;
    setTheirs(theirChanges(base, values, present.values));
    update({ version: present.version, base: present.values, values: merge(base, values, present.values) as V });
  };
  useEffect(() => follow(loaded), [loaded.version]);
  return {
    values: kept.values,
    isChanged: !isSame(kept.base, kept.values),
    theirs,
    set: (changes) => update({ ...latest.current, values: { ...latest.current.values, ...changes } }),
    save: async (send) => {
      const { version, base, values } = latest.current;
      try {
        await send(values, base, version);
      } catch (error) {
        if (error instanceof ApiFailure && CONFLICTS.includes(error.code)) follow(await load());
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

const isSame = (one: Values, other: Values) => Object.keys(one).every((field) => one[field] === other[field]);
