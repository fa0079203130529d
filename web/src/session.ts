/**
 * The buyer's identity. Only this module and `parts/guest-orders.tsx` handle it: other modules send requests with `fetchAsBuyer` and
 * read `useBuyer`.
 *
 * The access token is only in memory, the refresh token in a cookie that no script can read. localStorage has a note of the buyer's
 * identity, so that a new visitor costs no API call and other tabs learn of changes. The note gives no access.
 */

import { useEffect, useState } from "preact/hooks";
import { publicApi, ApiFailure, content, fetchWithTimeout, type Schemas } from "./client";
import { forgetWallet } from "./kept-wallet";
import { now } from "./server-time";

/** `guest`: buys without an account. `demo`: an identity of a demo stage, an id that the API accepts and that is not secret. */
export interface Buyer {
  kind: "account" | "guest" | "demo";
  id: string;
  /** Whether the buyer also sells or works at events. The API decides each time what they may do. */
  isManager?: boolean;
}

const NOTE = "fairgate.buyer";
const DEMO_ID = "fairgate.demo";
const ACCOUNT = "fairgate.account"; // the note of an account that views a demo stage as a buyer
export const GUEST = "fairgate.guest"; // not empty while the cookie also has the session of a guest who signed in to an account
export const LOCK = "fairgate.session"; // one tab at a time gets tokens, so that no tab sends a cookie that another tab has replaced
const MANAGING = ["promoter", "admin"];
const EARLY_SECONDS = 30;
const REFRESH_PATIENCE_MS = 7000; // shorter than the ten seconds in which the API repeats the same reply to a refresh
export const COOKIE = { params: { header: { "X-Session": "cookie" } } } as const;

let access: { token: string; until: number; userId: string } | null = null;
let hasEnded = false;
let wasGuest = false; // whether the ended session was a guest's
const listeners = new Set<() => void>();

/** The buyer (null for a new visitor), whether the session has expired, and whether it was a guest's. */
export function useBuyer(): { buyer: Buyer | null; hasEnded: boolean; wasGuest: boolean } {
  const [state, setState] = useState(() => ({ buyer: currentBuyer(), hasEnded, wasGuest }));
  useEffect(() => {
    const update = () => setState({ buyer: currentBuyer(), hasEnded, wasGuest });
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return state;
}

export function currentBuyer(): Buyer | null {
  return JSON.parse(localStorage.getItem(NOTE) ?? "null");
}

/** Send a request as the buyer. A new visitor becomes a guest with the first request that changes data, and has nothing to read before that. */
export async function fetchAsBuyer(request: Request): Promise<Response> {
  if (currentBuyer() === null && request.method === "GET") return Response.json({ error: "signed_out" }, { status: 404 });
  const sent = await request.arrayBuffer();
  const body = sent.byteLength > 0 ? sent : undefined;
  const send = async (identity: Record<string, string>) => {
    const headers = new Headers(request.headers);
    headers.set("Accept-Language", document.documentElement.lang); // that of the page, which the browser's may not be
    for (const [name, value] of Object.entries(identity)) headers.set(name, value);
    return fetchWithTimeout(new Request(request.url, { method: request.method, headers, body, signal: request.signal }));
  };
  const sentAs = await identityHeaders();
  const first = await send(sentAs);
  if (first.status !== 401 || !sentAs.Authorization) return first;
  // The token was refused before it expired. Another request that used it may have got a new one already.
  if (sentAs.Authorization === `Bearer ${access?.token}`) access = null;
  return send(await identityHeaders());
}

/** Sign in. A guest stays known to this browser: see `parts/guest-orders.tsx`. */
export async function signIn(email: string, password: string, code?: string): Promise<void> {
  await startSession(() => content(publicApi.POST("/auth/login", { ...COOKIE, body: { email, password, code } })));
}

/** Use the demo identity of this browser. Only demo stages accept it. */
export function useDemoIdentity(): void {
  const id = localStorage.getItem(DEMO_ID) ?? `web-${crypto.randomUUID().slice(0, 13)}`;
  localStorage.setItem(DEMO_ID, id);
  access = null;
  note({ kind: "demo", id });
}

/** On a demo stage: view the shop as a made-up buyer until `seeAsManager`. The account stays signed in. */
export function seeAsBuyer(): void {
  const account = JSON.stringify(currentBuyer());
  useDemoIdentity();
  localStorage.setItem(ACCOUNT, account);
  announce();
}

/** Return to the account. If its session has expired in the meantime, the next request finds out. */
export function seeAsManager(): void {
  note(JSON.parse(localStorage.getItem(ACCOUNT)!));
}

/** Whether an account is viewing the shop as a buyer. */
export const isManagerAsBuyer = () => localStorage.getItem(ACCOUNT) !== null;

/** What this stage says about itself; null if the API does not respond. */
export async function loadHealth(): Promise<Schemas["HealthView"] | null> {
  try {
    return await content(publicApi.GET("/health"));
  } catch (error) {
    if (error instanceof ApiFailure) return null;
    throw error;
  }
}

/** Whether this stage has demo identities; false if the API does not respond. */
export const hasDemoIdentity = async () => (await loadHealth())?.identity === "demo";

/** Change the password; all other sessions of the account end. */
export async function changePassword(current_password: string, password: string): Promise<void> {
  const headers = await identityHeaders();
  await startSession(() => content(publicApi.POST("/auth/password", { ...COOKIE, headers, body: { current_password, password } })));
}

/** Register. A guest becomes the account and keeps the tickets. Returns whether the address must be verified first. */
export async function register(account: Schemas["NewAccount"]): Promise<boolean> {
  const headers = currentBuyer()?.kind === "guest" ? await identityHeaders() : {};
  return (await content(publicApi.POST("/auth/register", { headers, body: account }))).verification_required;
}

/** Sign out, here and in all tabs, and with `everywhere` on all devices. A guest with orders that have not moved is back afterwards. */
export async function signOut(everywhere = false): Promise<void> {
  if (isManagerAsBuyer()) return seeAsManager(); // leaving the made-up buyer does not end the account's session
  if (currentBuyer()?.kind !== "demo") {
    await navigator.locks.request(LOCK, async () => {
      try {
        await publicApi.POST("/auth/logout", { ...COOKIE, body: { everywhere } });
      } catch (error) {
        if (!(error instanceof ApiFailure) || error.code !== "session_over") throw error;
      }
    });
  }
  end(false);
  forgetTyped();
  await forgetWallet();
  if (localStorage.getItem(GUEST)) await identityHeaders(); // become the guest again
}

/** Delete what was typed: in the forms of this tab, and the addresses for emails about turns (`parts/turn-mails.tsx`). */
function forgetTyped(): void {
  sessionStorage.clear();
  for (const key of Object.keys(localStorage)) if (key.startsWith("fairgate.turn-mails.")) localStorage.removeItem(key);
}

/** Continue without an account after a session has ended. */
export function continueWithoutAccount(): void {
  hasEnded = false;
  announce();
}

/** The headers that identify the buyer. */
export async function identityHeaders(): Promise<Record<string, string>> {
  const buyer = currentBuyer();
  if (buyer?.kind === "demo") return { "X-User-Id": buyer.id };
  if (!isFresh()) await navigator.locks.request(LOCK, renew);
  return { Authorization: `Bearer ${access!.token}` };
}

function isFresh(): boolean {
  return access !== null && access.userId === currentBuyer()?.id && access.until - EARLY_SECONDS > now();
}

/** Get a new access token. A new visitor becomes a guest. Throws ApiFailure `session_over`. */
async function renew(): Promise<void> {
  if (isFresh()) return; // another request of this tab has already renewed the token
  if (currentBuyer() === null) {
    if (hasEnded) throw new ApiFailure("session_over", 401, "", null); // an account must not turn into a guest unnoticed
    return keep(await content(publicApi.POST("/auth/guest", COOKIE)));
  }
  try {
    keep(await refresh().catch((error) => (error.code === "offline" ? refresh() : Promise.reject(error))));
  } catch (error) {
    if (error instanceof ApiFailure && error.code === "session_over") end(true);
    throw error;
  }
}

function refresh(): Promise<Schemas["TokensView"]> {
  return content(publicApi.POST("/auth/refresh", { ...COOKIE, body: {}, signal: AbortSignal.timeout(REFRESH_PATIENCE_MS) }));
}

/** Sign in by a call that returns tokens. */
export async function startSession(ask: () => Promise<Schemas["TokensView"]>): Promise<void> {
  await navigator.locks.request(LOCK, async () => keep(await ask()));
}

function keep({ access_token, expires_in, user }: Schemas["TokensView"]): void {
  access = { token: access_token, until: now() + expires_in, userId: user.id };
  const isGuest = user.roles.includes("guest");
  if (currentBuyer()?.kind === "guest" || isGuest) localStorage.setItem(GUEST, isGuest ? "" : "1");
  const isManager = user.roles.some((role) => MANAGING.includes(role)) || Object.keys(user.events).length > 0;
  note({ kind: isGuest ? "guest" : "account", id: user.id, ...(isManager && { isManager }) });
}

function note(buyer: Buyer): void {
  localStorage.removeItem(ACCOUNT);
  localStorage.setItem(NOTE, JSON.stringify(buyer));
  hasEnded = false;
  announce();
}

function end(isExpired: boolean): void {
  wasGuest = isExpired && currentBuyer()?.kind === "guest";
  localStorage.removeItem(NOTE);
  localStorage.removeItem(ACCOUNT);
  access = null;
  hasEnded = isExpired;
  announce();
}

function announce(): void {
  for (const listener of listeners) listener();
}

// Another tab has signed in or out. If this page shows another buyer's data, reload it.
addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key !== NOTE && key !== null) return;
  const [before, after] = [oldValue, newValue].map((text) => (text ? (JSON.parse(text) as Buyer).id : null));
  if (before && before !== after) location.reload();
  else announce();
});
