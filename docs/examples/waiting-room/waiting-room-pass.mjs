/** Lets only people with a pass of the waiting room reach a Node server: `app.use(gate({...}))` in Express, Connect or Fastify's middie.
 *
 * gate({ api: "https://shop.example/api/v1", line: "https://shop.example/events/harbor-nights/line", event: "harbor-nights",
 *        issuer: "fairgate-prod", audience: "https://tickets.example", path: "/harbor/" })
 *
 * `use(passId, session)` returns whether no other session has used the pass. Replace it if the shop has more than one process. */

import { createHash, createPublicKey, verify } from "node:crypto";

const NAME = "fairgate_pass";
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
const unescaped = (path) => path.replace(/%([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
const plain = (path) => unescaped(`${path}/`).replace(/[/\\]+/g, "/").toLowerCase(); // Express takes /Harbor for /harbor/

const remember = (used = new Map()) => (passId, session) => (used.has(passId) || used.set(passId, session), used.get(passId) === session);

export function gate({ api, line, event, issuer, audience, path = "/", use = remember() }) {
  let [keys, loading, until] = [new Map(), null, 0];

  async function load() {
    const reply = await fetch(`${api}/.well-known/jwks.json`, { signal: AbortSignal.timeout(5_000) });
    const found = (await reply.json()).keys.filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519");
    [keys, until] = [new Map(found.map((key) => [key.kid, createPublicKey({ key, format: "jwk" })])), Date.now() + 3_600_000];
  }

  async function keyOf(id) {
    if (Date.now() > until) [until, loading] = [Date.now() + 5_000, load().catch(() => {})]; // until it succeeds, the known keys count
    if (!keys.has(id)) await loading;
    return keys.get(id);
  }

  async function admits(token, session) {
    let claims;
    try {
      const [, header, payload, signature] = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token);
      const { alg, kid } = decode(header);
      const key = alg === "EdDSA" && (await keyOf(kid));
      if (!key || !verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"))) return false;
      claims = decode(payload);
    } catch {
      return false;
    }
    const isOurs = claims.iss === issuer && claims.aud === audience && claims.event === event;
    return isOurs && claims.exp > Date.now() / 1000 && use(claims.jti, session);
  }

  async function answer(request, response, next) {
    const url = new URL(request.url.replace(/^[/\\]+/, "/"), "http://shop");
    if (![url.pathname, request.url].some((asked) => plain(asked).startsWith(plain(path)))) return next();
    const go = (location, cookie) => response.writeHead(302, cookie ? { location, "set-cookie": cookie } : { location }).end();
    const token = url.searchParams.get(NAME);
    const [, kept, keptSession] = new RegExp(`(?:^|; )${NAME}=([^;]*)[.]([^;]*)`).exec(request.headers.cookie ?? "") ?? [];
    if (token === null) return (await admits(kept, keptSession)) ? next() : go(line);
    const session = createHash("sha256").update(`${request.socket.remoteAddress} ${request.headers["user-agent"]}`).digest("hex");
    if (!(await admits(token, session))) return go(line);
    url.searchParams.delete(NAME);
    return go(`/${url.pathname.replace(/^\/+/, "")}${url.search}`, `${NAME}=${token}.${session}; Path=${path.replace(/\/$/, "") || "/"}; HttpOnly; Secure; SameSite=Lax`);
  }
  return (request, response, next) => answer(request, response, next).catch(next); // a request that fails must not end the process
}
