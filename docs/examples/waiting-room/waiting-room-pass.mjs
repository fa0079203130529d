/** Lets only people with a pass of the waiting room reach a Node server: `app.use(gate({...}))` in Express, Connect or Fastify's middie.
 *
 * gate({ api: "https://shop.example/api/v1", line: "https://shop.example/events/harbor-nights/line", event: "harbor-nights",
 *        issuer: "fairgate-prod", audience: "https://tickets.example", path: "/harbor/" })
 *
 * `use(passId, session)` returns whether no other session has used the pass. Replace it if the shop has more than one process. */

import { createPublicKey, verify } from "node:crypto";

const NAME = "fairgate_pass";
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());

function remember() {
  const used = new Map();
  return (passId, session) => (used.has(passId) || used.set(passId, session), used.get(passId) === session);
}

export function gate({ api, line, event, issuer, audience, path = "/", use = remember() }) {
  let keys = { found: new Map(), until: 0 };

  async function keyOf(id) {
    if (Date.now() > keys.until) {
      const reply = await fetch(`${api}/.well-known/jwks.json`);
      if (!reply.ok) throw new Error(`The keys of the waiting room cannot be read: ${reply.status}`);
      const found = (await reply.json()).keys.filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519");
      keys = { found: new Map(found.map((key) => [key.kid, createPublicKey({ key, format: "jwk" })])), until: Date.now() + 3_600_000 };
    }
    return keys.found.get(id);
  }

  async function read(token) {
    try {
      const [header, payload, signature] = token.split(".");
      const { alg, kid } = decode(header);
      const key = alg === "EdDSA" && (await keyOf(kid));
      if (!key || !verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"))) return null;
      const claims = decode(payload);
      const isOurs = claims.iss === issuer && claims.aud === audience && claims.event === event;
      return isOurs && claims.exp > Date.now() / 1000 ? claims : null;
    } catch {
      return null;
    }
  }

  return async (request, response, next) => {
    const url = new URL(request.url, "http://shop");
    if (!url.pathname.startsWith(path)) return next();
    const go = (location, cookie) => response.writeHead(302, cookie ? { location, "set-cookie": cookie } : { location }).end();
    const token = url.searchParams.get(NAME);
    const kept = new RegExp(`(?:^|; )${NAME}=([^;]*)`).exec(request.headers.cookie ?? "")?.[1];
    if (token === null) return kept && (await read(kept)) ? next() : go(line);
    const claims = await read(token);
    if (!claims || !(await use(claims.jti, `${request.socket.remoteAddress} ${request.headers["user-agent"]}`))) return go(line);
    url.searchParams.delete(NAME);
    return go(`/${url.pathname.replace(/^\/+/, "")}${url.search}`, `${NAME}=${token}; Path=${path}; HttpOnly; Secure; SameSite=Lax`);
  };
}
