/**
 * A CloudFront Function (runtime 2.0) for all viewer requests except `/api/*`. Addresses that name no file get an entry page. Programs that
 * preview links get the preview from the API, whose origin is named `api` in the distribution. The local run does the same
 * (infra/local/pages.py); a test compares both.
 */
import cf from "cloudfront";

// Files are in assets/ or have a dot in their only segment.
const FILE = /^\/(assets\/.*|[^/]*\.[^/]*)$/;
// An entry of the same name draws the pages below each of these addresses; index.html draws all other pages.
const ENTRY = /^\/(manage|door)(\/.*)?$/;
const EVENT_PAGE = /^\/events\/([A-Za-z0-9][A-Za-z0-9._-]{0,299})\/?$/;
// Words in the User-Agent of programs that preview links. Search engines are not listed: they run scripts and get the page itself.
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
    request.querystring = {}; // shared links gain parameters that the API would refuse
  } else if (!FILE.test(request.uri)) {
    request.uri = entry ? "/" + entry[1] + ".html" : "/index.html";
  }
  return request;
}
