/**
 * Many buyers in one process, each with the module of the waiting room's page (web/src/place.ts), against a server over HTTP. They open the
 * page, join, wait, and reserve one ticket each when it is their turn. Time is virtual: before each second this program prints it, and goes
 * on when the server's clock has it, which a line on its input says. At the end it prints what the buyers saw.
 */

import { Agent, request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";

const plan = JSON.parse(process.argv[2]);
const { Place } = await import(plan.module);
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const room = `/events/${plan.eventId}/waiting-room`;

const timers = []; // by second; an action that was prevented is null
let now = plan.start;
let pending = 0;

/** Count what is under way. When it ends it is as late as when it began: nothing takes time but waiting. */
async function timeless(promise) {
  const at = now;
  pending += 1;
  try {
    return await promise;
  } finally {
    pending -= 1;
    now = at;
  }
}

const digest = crypto.subtle.digest.bind(crypto.subtle);
crypto.subtle.digest = (...content) => timeless(digest(...content));

function later(seconds, action) {
  const timer = { at: now + Math.max(seconds, 0.001), action };
  (timers[Math.floor(timer.at) - plan.start] ??= []).push(timer);
  return () => (timer.action = null);
}

function call(method, path, { user, body } = {}) {
  const headers = { ...(user && { "X-User-Id": user, "Idempotency-Key": user }), ...(body && { "Content-Type": "application/json" }) };
  const answer = new Promise((resolve, reject) => {
    const request = httpRequest(`${plan.origin}/api/v1${path}`, { method, agent, headers }, async (response) => {
      let text = "";
      for await (const part of response) text += part;
      if (response.statusCode < 300) resolve(JSON.parse(text));
      else reject(Object.assign(new Error(text), { status: response.statusCode }));
    });
    request.on("error", reject);
    request.end(body && JSON.stringify(body));
  });
  return timeless(answer);
}

/** Random numbers from 0 to 1, the same in every run (mulberry32). */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Buyer {
  constructor(number) {
    this.user = `buyer-${number}`;
    this.isHidden = number % plan.hiddenEvery === 0;
    this.position = null;
    this.reservedAt = null;
    this.failures = [];
    const random = seeded(number);
    const kept = {};
    this.place = new Place({
      fetchRoom: () => call("GET", `${room}/state`),
      join: async () => (await call("POST", `${room}/join`, { user: this.user, body: {} })).token,
      memory: { read: (name) => kept[name] ?? null, write: (name, value) => (kept[name] = value) },
      now: () => now,
      random,
      isHidden: () => this.isHidden,
      later,
      changed: () => this.look(),
    });
    later(plan.openingSeconds * random(), () => {
      this.openedAt = now;
      this.place.start();
      later(1 + 4 * random(), () => this.place.enter());
    });
  }

  look() {
    const { status, token, draw, failure } = this.place.view();
    if (failure) this.failures.push(failure.message);
    this.position = status?.position ?? this.position;
    this.draw = draw;
    if (!status?.can_enter || this.reservedAt !== null) return;
    this.reservedAt = now;
    this.place.stop(); // the page goes to the checkout
    const body = { items: [{ tier_id: plan.tierId, quantity: 1 }], token };
    call("POST", `/events/${plan.eventId}/reservations`, { user: this.user, body }).catch((error) => this.failures.push(error.message));
  }
}

const buyers = Array.from({ length: plan.buyers }, (_, number) => new Buyer(number + 1));
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for (let second = plan.start; second < plan.start + plan.seconds; second += 1) {
  console.log(second);
  await answers.next();
  const due = (timers[second - plan.start] ??= []);
  for (; due.length > 0 || pending > 0; await setImmediate()) {
    due.sort((a, b) => a.at - b.at);
    while (due.length > 0) {
      const timer = due.shift(); // off the list: an answer may still add one that is due before those that are done
      now = timer.at;
      timer.action?.();
    }
  }
  now = second + 1;
}
const seen = ({ isHidden, openedAt, reservedAt, position, draw, failures }) => ({ isHidden, openedAt, reservedAt, position, draw, failures });
console.log(JSON.stringify(buyers.map(seen)));
agent.destroy();
process.stdin.destroy();
