/**
 * A CloudFront Function (runtime 2.0) for all viewer requests except `/api/*`. Addresses that name no file get an entry page. The start page
 * and the events' pages come from the API with their first words; the query tells it the page and the language, and is the key of CloudFront's
 * cache, so parameters of shared links make no further copies. The viewer's address goes along, so that the web ACL can limit these requests.
 * If the API fails, CloudFront gets `/index.html` from the bucket, which ignores the query (infra/template/cdn.py). The local run does the same (infra/local/pages.py); a test compares both. The runtime knows neither
 * destructuring nor loops over iterators.
 */

// Files are in assets/ or have a dot in their only segment.
const FILE = /^\/(assets\/.*|[^/]*\.[^/]*)$/;
// An entry of the same name draws the pages below each of these addresses; index.html draws all other pages.
const ENTRY = /^\/(manage|door)(\/.*)?$/;
const WORDS_PAGE = /^(?:\/|(\/events\/[^/]*)\/?)$/;
const LANGUAGES = ["en"]; // infra/template/cdn.py writes the languages of the pages here
const PROMOTERS = {}; // and here the promoters' own domains, each with the promoter's id

function handler(event) {
  const request = event.request;
  const page = WORDS_PAGE.exec(request.uri);
  const entry = ENTRY.exec(request.uri);
  const promoter = PROMOTERS[request.headers.host ? request.headers.host.value : ""];
  if (promoter && request.uri === "/" && !request.querystring.promoter && !request.querystring.preview) {
    return { statusCode: 302, statusDescription: "Found", headers: { location: { value: "/" + queryOf(request, promoter) } } };
  }
  if (page) {
    const accepted = request.headers["accept-language"];
    request.uri = "/index.html";
    request.headers["x-viewer-address"] = { value: event.viewer.ip };
    request.querystring = {
      path: { value: request.querystring.preview ? "/preview" : encodeURIComponent(page[1] || "/") }, // only scripts may show a draft to its managers
      language: { value: chooseLanguage(accepted ? accepted.value : "") },
    };
  } else if (!FILE.test(request.uri)) {
    request.uri = entry ? "/" + entry[1] + ".html" : "/index.html";
  }
  return request;
}

/** The query of a request with the promoter whose events the start page lists. */
function queryOf(request, promoter) {
  const given = Object.keys(request.querystring).map((name) => "&" + name + "=" + request.querystring[name].value);
  return "?promoter=" + promoter + given.join("");
}

/** As in chalicelib/edge/languages.py: the first of the languages with the highest weight. */
function chooseLanguage(accepted) {
  let best = "en";
  let highest = 0;
  accepted.slice(0, 1000).split(",").forEach((preference) => {
    const parts = preference.split(";");
    const language = parts[0].trim().toLowerCase().split("-")[0];
    const weight = weightOf(parts.slice(1).join(";").replaceAll(" ", ""));
    if (LANGUAGES.includes(language) && weight > highest) {
      best = language;
      highest = weight;
    }
  });
  return best;
}

function weightOf(parameter) {
  const parts = parameter.split("=");
  if (parts[0].toLowerCase() !== "q") return 1;
  const weight = /^[0-9.]+$/.test(parts[1]) ? Number(parts[1]) : 0;
  return weight >= 0 && weight <= 1 ? weight : 0;
}
