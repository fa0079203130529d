/**
 * A CloudFront Function (runtime 2.0) for the viewer requests of everything but `/api/*`: what names no file is an entry, and programs
 * that draw a preview of a link get it from the API, whose origin is named `api` in the distribution. The local run does the same
 * (infra/local/pages.py); a test compares both.
 */
import cf from "cloudfront";

// Files are in assets/ or have a dot in their only part.
const FILE = /^\/(assets\/.*|[^/]*\.[^/]*)$/;
// Pages below these addresses are drawn by an entry of their name; all others by index.html.
const ENTRY = /^\/(manage|door)(\/.*)?$/;
const EVENT_PAGE = /^\/events\/([A-Za-z0-9][A-Za-z0-9._-]{0,299})\/?$/;
// Words of their User-Agent. Search engines are not among them: they run scripts and get the page itself.
const PREVIEWERS =
  /facebookexternalhit|facebot|twitterbot|whatsapp|slackbot|linkedinbot|discordbot|telegrambot|pinterestbot|redditbot|skypeuripreview|mastodon|cardyb|viber|embedly|iframely/i;

function handler(event) {
  const request = event.request;
  const agent = request.headers["user-agent"] ? request.headers["user-agent"].value : "";
  const page = EVENT_PAGE.exec(request.uri);
  const entry = ENTRY.exec(request.uri);
  if (request.method === "GET" && page && PREVIEWERS.test(agent)) {
    cf.selectRequestOriginById("api");
    request.uri = "/api/v1/events/" + page[1] + "/preview";
    request.querystring = {}; // links get parameters on their way, which the API would refuse
  } else if (!FILE.test(request.uri)) {
    request.uri = entry ? "/" + entry[1] + ".html" : "/index.html";
  }
  return request;
}
