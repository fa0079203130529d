/** The buyer's tickets with their QR codes: from the shop, or from this browser while the shop does not respond. */

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
  /** QR codes as SVG documents, by ticket code; null if a QR code could not be loaded. */
  codes: Record<string, string | null>;
  /** The tickets stored in this browser, if any. */
  kept: KeptWallet | null;
  /** Whether the tickets shown are the stored ones, because the shop does not respond. */
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
  }, [reload, language]); // the stored page is in its language
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
  if ((currentBuyer()?.id ?? "") !== owner) return; // the owner has signed out in the meantime
  const pictures = Object.entries(codes).filter((entry): entry is [string, string] => entry[1] !== null);
  // Storage can be full or forbidden. The tickets still appear, and the page says that nothing is stored.
  show({ kept: await keepWallet(owner, tickets, Object.fromEntries(pictures)).catch(() => null) });
}

/** Whether the door may still scan the ticket, now or later, according to this page: to let people in, or out if they may come back. */
export function isUsable(ticket: Ticket): boolean {
  const { event } = ticket;
  return ticket.state === "valid" && !event.cancelled && (ticket.admitted < ticket.admits || event.allows_reentry === true) && !isOver(ticket);
}

/** Whether the event is over. An event without an end is over one day after its start. */
export function isOver({ event }: Ticket): boolean {
  if (!event.starts_at) return false;
  const end = event.ends_at ? Date.parse(event.ends_at) / 1000 : Date.parse(event.starts_at) / 1000 + DAY_SECONDS;
  return end < now();
}
