/**
 * Who the buyer is. No other module knows: they send requests by `fetchAsBuyer` and ask `useBuyer`.
 *
 * The access token is in memory alone, the refresh token in a cookie that no script can read. localStorage has a note of who this browser
 * is: with it a visitor who is nobody yet costs the API no call, and other tabs learn of a change. The note opens nothing.
 */

import { useEffect, useState } from "preact/hooks";
import { anybody, ApiFailure, content, fetchPatiently, type Schemas } from "./client";
import { forgetWallet } from "./kept-wallet";
import { now } from "./server-time";

/** `guest`: buys without an account. `demo`: the identity of a demo stage, an id that the API believes; it is no secret. */
export interface Buyer {
  kind: "account" | "guest" | "demo";
  id: string;
  /** Whether they sell or work at events; what they may do the API decides each time. */
  isManager?: boolean;
}

const NOTE = "fairgate.buyer";
const DEMO_ID = "fairgate.demo";
const ACCOUNT = "fairgate.account"; // the note of the account that looks at a demo stage as a buyer
const LOCK = "fairgate.session"; // one tab at a time gets tokens, so that none sends a cookie which another has replaced
const MANAGING = ["promoter", "admin"];
const EARLY_SECONDS = 30;
const REFRESH_PATIENCE_MS = 7000; // shorter than the ten seconds in which the API answers a repeated refresh alike
const COOKIE = { params: { header: { "X-Session": "cookie" } } } as const;

let access: { token: string; until: number; userId: string } | null = null;
let hasEnded = false;
let wasGuest = false; // who the session was of that has ended
const listeners = new Set<() => void>();

/** The buyer, null for a visitor who is nobody yet; and whether their session, which may have been a guest's, has ended by itself. */
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

/** Send a request as the buyer. Who is nobody yet becomes a guest by their first request that changes something, and has nothing to read. */
export async function fetchAsBuyer(request: Request): Promise<Response> {
  if (currentBuyer() === null && request.method === "GET") return Response.json({ error: "signed_out" }, { status: 404 });
  const sent = await request.arrayBuffer();
  const body = sent.byteLength > 0 ? sent : undefined;
  const send = async () => {
    const headers = new Headers(request.headers);
    for (const [name, value] of Object.entries(await identityHeaders())) headers.set(name, value);
    return fetchPatiently(new Request(request.url, { method: request.method, headers, body, signal: request.signal }));
  };
  const first = await send();
  if (first.status !== 401 || access === null) return first;
  access = null; // it was refused before its time
  return send();
}

export async function signIn(email: string, password: string): Promise<void> {
  await becomeSomebody(() => content(anybody.POST("/auth/login", { ...COOKIE, body: { email, password } })));
}

/** Take up the demo identity of this browser. Only a stage with demo identity believes it. */
export function useDemoIdentity(): void {
  const id = localStorage.getItem(DEMO_ID) ?? `web-${crypto.randomUUID().slice(0, 13)}`;
  localStorage.setItem(DEMO_ID, id);
  access = null;
  note({ kind: "demo", id });
}

/** On a demo stage: be the made-up buyer of this browser until `seeAsManager`. The session of the account goes on. */
export function seeAsBuyer(): void {
  const account = JSON.stringify(currentBuyer());
  useDemoIdentity();
  localStorage.setItem(ACCOUNT, account);
  announce();
}

/** Be the account again. Its session may have ended meanwhile, which the next request shows. */
export function seeAsManager(): void {
  note(JSON.parse(localStorage.getItem(ACCOUNT)!));
}

/** Whether an account looks at the shop as a buyer. */
export const isManagerAsBuyer = () => localStorage.getItem(ACCOUNT) !== null;

/** Whether this stage has demo identities; false if the API does not say so now. */
export async function hasDemoIdentity(): Promise<boolean> {
  try {
    return (await content(anybody.GET("/health"))).identity === "demo";
  } catch (error) {
    if (error instanceof ApiFailure) return false;
    throw error;
  }
}

/** Change the password; all other sessions of the account end. */
export async function changePassword(current_password: string, password: string): Promise<void> {
  const headers = await identityHeaders();
  await becomeSomebody(() => content(anybody.POST("/auth/password", { ...COOKIE, headers, body: { current_password, password } })));
}

/** Register. A guest becomes the account and keeps the tickets. Returns whether the address must be verified before signing in. */
export async function register(account: Schemas["NewAccount"]): Promise<boolean> {
  const headers = currentBuyer()?.kind === "guest" ? await identityHeaders() : {};
  return (await content(anybody.POST("/auth/register", { headers, body: account }))).verification_required;
}

/** Sign out, here and in all tabs, and with `everywhere` on all devices. */
export async function signOut(everywhere = false): Promise<void> {
  if (isManagerAsBuyer()) return seeAsManager(); // who leaves the made-up buyer is still signed in
  if (currentBuyer()?.kind !== "demo") {
    await navigator.locks.request(LOCK, async () => {
      try {
        await anybody.POST("/auth/logout", { ...COOKIE, body: { everywhere } });
      } catch (error) {
        if (!(error instanceof ApiFailure) || error.code !== "session_over") throw error;
      }
    });
  }
  end(false);
  await forgetWallet();
}

/** Buy as a guest from now on, although a session has ended. */
export function goOnAsStranger(): void {
  hasEnded = false;
  announce();
}

/** The headers that say who asks. */
async function identityHeaders(): Promise<Record<string, string>> {
  const buyer = currentBuyer();
  if (buyer?.kind === "demo") return { "X-User-Id": buyer.id };
  if (!isFresh()) await navigator.locks.request(LOCK, renew);
  return { Authorization: `Bearer ${access!.token}` };
}

function isFresh(): boolean {
  return access !== null && access.userId === currentBuyer()?.id && access.until - EARLY_SECONDS > now();
}

/** Get a new access token; who is nobody becomes a guest. Raises ApiFailure `session_over`. */
async function renew(): Promise<void> {
  if (isFresh()) return; // another request of this tab has waited for the same
  if (currentBuyer() === null) {
    if (hasEnded) throw new ApiFailure("session_over", 401, "", null); // an account must not turn into a guest unnoticed
    return keep(await content(anybody.POST("/auth/guest", COOKIE)));
  }
  try {
    keep(await refresh().catch((error) => (error.code === "offline" ? refresh() : Promise.reject(error))));
  } catch (error) {
    if (error instanceof ApiFailure && error.code === "session_over") end(true);
    throw error;
  }
}

function refresh(): Promise<Schemas["TokensView"]> {
  return content(anybody.POST("/auth/refresh", { ...COOKIE, body: {}, signal: AbortSignal.timeout(REFRESH_PATIENCE_MS) }));
}

async function becomeSomebody(ask: () => Promise<Schemas["TokensView"]>): Promise<void> {
  await navigator.locks.request(LOCK, async () => keep(await ask()));
}

function keep({ access_token, expires_in, user }: Schemas["TokensView"]): void {
  access = { token: access_token, until: now() + expires_in, userId: user.id };
  const isManager = user.roles.some((role) => MANAGING.includes(role)) || Object.keys(user.events).length > 0;
  note({ kind: user.roles.includes("guest") ? "guest" : "account", id: user.id, ...(isManager && { isManager }) });
}

function note(buyer: Buyer): void {
  localStorage.removeItem(ACCOUNT);
  localStorage.setItem(NOTE, JSON.stringify(buyer));
  hasEnded = false;
  announce();
}

function end(byItself: boolean): void {
  wasGuest = byItself && currentBuyer()?.kind === "guest";
  localStorage.removeItem(NOTE);
  localStorage.removeItem(ACCOUNT);
  access = null;
  hasEnded = byItself;
  announce();
}

function announce(): void {
  for (const listener of listeners) listener();
}

// Another tab has signed in or out. The page shows another buyer's data, so it starts anew.
addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key !== NOTE && key !== null) return;
  const [before, after] = [oldValue, newValue].map((text) => (text ? (JSON.parse(text) as Buyer).id : null));
  if (before && before !== after) location.reload();
  else announce();
});
