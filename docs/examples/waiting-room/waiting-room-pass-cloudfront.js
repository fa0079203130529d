/** A CloudFront function (runtime 2.0, viewer request) that lets only people with a pass of the waiting room reach the origin.
 *
 * CloudFront functions cannot check EdDSA, so passes are signed with HS256. The origin gets the pass's id as X-Waiting-Room-Pass, so that it
 * can sell once for each pass. Associate the function with the behaviors of the pages to protect, not with those of webhooks or images. */

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

function go(location, token) {
  const response = { statusCode: 302, statusDescription: "Found", headers: { location: { value: location }, "cache-control": { value: "no-store" } } };
  if (token) response.cookies = { [NAME]: { value: token, attributes: `Path=${PATH}; HttpOnly; Secure; SameSite=Lax` } };
  return response;
}

function handler(event) {
  const request = event.request;
  const fields = request.querystring;
  if (fields[NAME]) {
    const token = fields[NAME].value;
    if (!read(token)) return go(LINE);
    const rest = Object.keys(fields).filter((name) => name !== NAME).map((name) => (fields[name].multiValue || [fields[name]]).map(({ value }) => `${name}=${value}`).join("&"));
    return go(`/${request.uri.replace(/^[/\\]+/, "")}${rest.length ? "?" + rest.join("&") : ""}`, token);
  }
  const claims = read(request.cookies[NAME] ? request.cookies[NAME].value : "");
  if (!claims) return go(LINE);
  request.headers["x-waiting-room-pass"] = { value: claims.jti };
  return request;
}
