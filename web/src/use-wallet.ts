/** The buyer's tickets with their QR codes: from the shop, or, while it does not answer, as this browser has kept them. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiFailure, getQrCode, listTickets, type Ticket } from "./api";
import { keepWallet, loadKept, type KeptWallet } from "./kept-wallet";
import { now } from "./server-time";
import { currentBuyer } from "./session";
import { useTexts } from "./texts";

const SLOW_MS = 3000;
const DAY_SECONDS = 86_400;

export interface Wallet {
  tickets: Ticket[] | null;
  /** QR pictures, SVG documents, by the code of their ticket; null if one could not be loaded. */
  codes: Record<string, string | null>;
  /** What this browser keeps by now, if anything. */
  kept: KeptWallet | null;
  /** Whether what is shown is what was kept, because the shop does not answer. */
  isOld: boolean;
  failure: ApiFailure | null;
  reload: () => Promise<void>;
}

type State = Omit<Wallet, "reload">;
const NOTHING: State = { tickets: null, codes: {}, kept: null, isOld: false, failure: null };

export function useWallet(): Wallet {
  const { language } = useTexts();
  const [state, setState] = useState(NOTHING);
  const reload = useCallback(() => load(currentBuyer()?.id ?? "", (change) => setState((before) => ({ ...before, ...change }))), []);
  useEffect(() => {
    const refresh = () => document.visibilityState === "visible" && void reload();
    void reload();
    addEventListener("online", refresh);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      removeEventListener("online", refresh);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [reload, language]); // a page that is kept is kept in its language
  return { ...state, reload };
}

async function load(owner: string, show: (change: Partial<State>) => void): Promise<void> {
  const kept = await loadKept(owner).catch(() => null);
  const showKept = () => kept && show({ tickets: kept.tickets, codes: kept.codes, kept, isOld: true });
  const patience = setTimeout(showKept, SLOW_MS);
  let tickets: Ticket[];
  try {
    tickets = await listTickets();
  } catch (failure) {
    if (!(failure instanceof ApiFailure)) throw failure;
    const isAway = failure.status === 0 || failure.status >= 500;
    if (isAway) showKept();
    show({ failure: isAway && kept ? null : failure });
    return;
  } finally {
    clearTimeout(patience);
  }
  const codes: Record<string, string | null> = {};
  for (const { code } of tickets) if (kept?.codes[code]) codes[code] = kept.codes[code];
  show({ tickets, codes: { ...codes }, isOld: false, failure: null });
  for (const ticket of tickets.filter(isUsable)) {
    codes[ticket.code] ??= await getQrCode(ticket.id).catch(() => null);
    show({ codes: { ...codes } });
  }
  const pictures = Object.entries(codes).filter((entry): entry is [string, string] => entry[1] !== null);
  // Storage can be full or forbidden; the tickets are shown all the same, and the page says that nothing is kept.
  show({ kept: await keepWallet(owner, tickets, Object.fromEntries(pictures)).catch(() => null) });
}

/** Whether the ticket lets people in, now or later, as far as the page knows. */
export function isUsable(ticket: Ticket): boolean {
  return ticket.state === "valid" && !ticket.event.cancelled && ticket.admitted < ticket.admits && !isOver(ticket);
}

/** Whether the event is over: a day after its start if it does not say when it ends. */
export function isOver({ event }: Ticket): boolean {
  if (!event.starts_at) return false;
  const end = event.ends_at ? Date.parse(event.ends_at) / 1000 : Date.parse(event.starts_at) / 1000 + DAY_SECONDS;
  return end < now();
}
