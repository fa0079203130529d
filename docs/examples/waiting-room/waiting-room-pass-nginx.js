/** Lets only people with a pass of the waiting room reach the server behind nginx (njs 0.7 or later). Passes are signed with HS256.
 *
 * js_import gate from waiting-room-pass-nginx.js;    # in `http`; the next three lines too
 * js_set $gate_location gate.location;               # empty if the request may pass
 * js_set $gate_cookie gate.cookie;
 * js_set $gate_pass gate.passId;
 *
 * location /harbor/ {
 *     absolute_redirect off;                             # behind a proxy, nginx does not know its own address
 *     if ($gate_location) { add_header Set-Cookie $gate_cookie; return 302 $gate_location; }
 *     proxy_set_header X-Waiting-Room-Pass $gate_pass;   # so that the shop can sell once for each pass
 *     proxy_pass http://127.0.0.1:8080;
 * } */

import crypto from "crypto";

const NAME = "fairgate_pass";
const SECRET = "the `secret` of the verifier's settings";
const ISSUER = "fairgate-prod";
const AUDIENCE = "https://tickets.example";
const EVENT = "harbor-nights";
const PATH = "/harbor/";
const LINE = "https://shop.example/events/harbor-nights/line";

function isEqual(a, b) {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= a.charCodeAt(i % (a.length || 1)) ^ b.charCodeAt(i);
  return difference === 0;
}

function read(token) {
  try {
    const parts = token.split(".");
    const signature = crypto.createHmac("sha256", SECRET).update(`${parts[0]}.${parts[1]}`).digest("base64url");
    if (parts.length !== 3 || !isEqual(parts[2], signature)) return null;
    if (JSON.parse(Buffer.from(parts[0], "base64url").toString()).alg !== "HS256") return null;
    const claims = JSON.parse(Buffer.from(parts[1], "base64url").toString());
    const isOurs = claims.iss === ISSUER && claims.aud === AUDIENCE && claims.event === EVENT;
    return isOurs && claims.exp > Date.now() / 1000 ? claims : null;
  } catch (error) {
    return null;
  }
}

const arrived = (r) => r.variables[`arg_${NAME}`];

function location(r) {
  if (!arrived(r)) return read(r.variables[`cookie_${NAME}`] || "") ? "" : LINE;
  if (!read(arrived(r))) return LINE;
  const rest = (r.variables.args || "").split("&").filter((field) => !field.toLowerCase().startsWith(`${NAME}=`));
  return `/${r.variables.uri.split("/").filter((part) => part).map(encodeURIComponent).join("/")}${r.variables.uri.endsWith("/") ? "/" : ""}${rest.length ? "?" + rest.join("&") : ""}`;
}

const cookie = (r) => (arrived(r) && read(arrived(r)) ? `${NAME}=${arrived(r)}; Path=${PATH}; HttpOnly; Secure; SameSite=Lax` : "");

const passId = (r) => (read(r.variables[`cookie_${NAME}`] || "") || { jti: "" }).jti;

export default { location, cookie, passId };
