/**
 * The widget for other websites: the state of an event's sale, or a list of events, with links to the shop. docs/events.md explains it.
 * It sets no cookies and requests only public documents. Texts of events become text nodes, never HTML.
 */

import type { EventSummary } from "./api";
import { day, money, shortDayAndTime } from "./formats";
import type { languageTexts } from "./texts/en-language";
import type { widgetTexts as en } from "./texts/en-widget";
import { inEachLanguage } from "./texts/languages";

const REFRESH_MS = 30_000;
const OVER = ["sold_out", "closed", "cancelled"];
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("./texts/??-widget.ts", { eager: true, import: "widgetTexts" }));
const LANGUAGES = inEachLanguage(import.meta.glob<typeof languageTexts>("./texts/??-language.ts", { eager: true, import: "languageTexts" }));
const CODES = Object.keys(TEXTS) as (keyof typeof TEXTS)[];

const CSS = `
:host { display: block; color: var(--fairgate-text, inherit); font-family: var(--fairgate-font, inherit); line-height: 1.45; }
:host([hidden]) { display: none; }
ul { display: grid; gap: 0.75rem; margin: 0; padding: 0; list-style: none; }
p { margin: 0; }
.event { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 1.25rem; padding: 1rem 1.25rem; border-radius: 0.75rem;
  border: 1px solid color-mix(in srgb, currentcolor 30%, transparent); }
.words { flex: 1 1 14rem; min-width: 0; overflow-wrap: anywhere; }
.name, .place { unicode-bidi: plaintext; }
.name { font-size: 1.1em; font-weight: 700; }
.cancelled .name { text-decoration: line-through; }
.status { font-weight: 600; }
a { padding: 0.65rem 1.1rem; border-radius: 0.5rem; font-weight: 700; text-align: center; text-decoration: none;
  color: var(--fairgate-on-accent, #fff); background: var(--fairgate-accent, #17456b); }
a.quiet { color: inherit; background: none; box-shadow: inset 0 0 0 1px currentcolor; }
a:focus-visible { outline: 3px solid currentcolor; outline-offset: 2px; }
`;

class Widget extends HTMLElement {
  static shop: URL;
  static sheet: CSSStyleSheet;
  static observedAttributes = ["event", "promoter", "limit", "language"];
  private readonly root = this.attachShadow({ mode: "open" });
  private timer = 0;
  private loads = 0;
  private events: EventSummary[] | undefined;
  private readonly onVisible = () => {
    if (document.visibilityState === "visible") void this.load();
  };

  connectedCallback() {
    this.root.adoptedStyleSheets = [Widget.sheet];
    document.addEventListener("visibilitychange", this.onVisible);
    void this.load();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.onVisible);
    clearTimeout(this.timer);
    this.loads += 1; // the reply to an earlier request changes nothing
  }

  attributeChangedCallback() {
    if (!this.root.adoptedStyleSheets.length) return; // not yet on the page
    this.events = undefined;
    void this.load();
  }

  private async load() {
    clearTimeout(this.timer);
    const load = ++this.loads;
    const events = await this.fetch().catch(() => undefined);
    if (load !== this.loads) return;
    this.events = events ?? this.events; // after a failure, the last known state is better than none
    this.draw();
    if (document.visibilityState === "visible") this.timer = setTimeout(() => void this.load(), this.pause());
  }

  /** The milliseconds until the next request: half a minute, or until a sale opens, but not for all visitors in the same second. */
  private pause(): number {
    const openings = (this.events ?? []).map(({ on_sale_at }) => Date.parse(on_sale_at ?? "") - Date.now()).filter((left) => left > 0);
    return Math.min(REFRESH_MS, ...openings.map((left) => left + 1000 + 2000 * Math.random()));
  }

  private async fetch(): Promise<EventSummary[]> {
    const [id, promoter] = [this.getAttribute("event"), this.getAttribute("promoter")];
    const query = `?language=${this.language().code}`;
    if (id) return [await read<EventSummary>(`events/${encodeURIComponent(id)}${query}`)];
    return (await read<EventSummary[]>(`events${query}`))
      .filter((event) => Date.parse(event.ends_at ?? event.starts_at) > Date.now() && (!promoter || event.promoter_id === promoter))
      .sort((one, other) => Date.parse(one.starts_at) - Date.parse(other.starts_at))
      .slice(0, Number(this.getAttribute("limit")) || undefined);
  }

  private language(): { code: (typeof CODES)[number]; locale: string } {
    const wanted = [this.getAttribute("language"), this.closest("[lang]")?.getAttribute("lang"), ...navigator.languages];
    const languageOf = (locale: string | null | undefined) => CODES.find((code) => code === locale?.slice(0, 2).toLowerCase());
    const locale = wanted.find(languageOf) ?? "en";
    return { code: languageOf(locale)!, locale };
  }

  private draw() {
    const { code, locale } = this.language();
    const shown = this.nodes(TEXTS[code], locale);
    shown.lang = code;
    shown.dir = LANGUAGES[code].dir ?? "ltr";
    const focused = this.root.activeElement as HTMLAnchorElement | null;
    this.root.replaceChildren(shown);
    if (focused) [...this.root.querySelectorAll("a")].find((link) => link.href === focused.href)?.focus();
  }

  private nodes(t: typeof en, locale: string): HTMLElement {
    if (!this.events) return make("div", "", make("p", "", t.failed), make("p", "", link("", t.shop, true)));
    if (this.events.length === 0) return make("p", "", t.none);
    const drawn = this.events.map((event) => drawEvent(event, t, locale));
    return this.getAttribute("event") ? drawn[0]! : make("ul", "", ...drawn.map((event) => make("li", "", event)));
  }
}

function drawEvent(event: EventSummary, t: typeof en, locale: string): HTMLElement {
  const { price_from_cents: cents, currency, on_sale_at: opening, timezone } = event;
  const status = event.paused && event.status === "on_sale" ? "paused" : event.status;
  const place = event.city && !event.venue.includes(event.city) ? `${event.venue}, ${event.city}` : event.venue;
  const details = [make("span", "status", t.status[status])];
  if (status === "scheduled" && opening) details.push(make("span", "", t.salesFrom(shortDayAndTime(opening, timezone, locale))));
  if (cents !== null && currency && !OVER.includes(status)) details.push(make("span", "", cents === 0 ? t.free : t.from(money(cents, currency, locale))));
  const text = status === "on_sale" ? t.buy : status === "sold_out" && event.has_waitlist ? t.wait : t.open;
  const button = link(`events/${encodeURIComponent(event.id)}`, text, status !== "on_sale");
  button.setAttribute("aria-label", `${text}: ${event.name}`);
  const words = make(
    "div",
    "words",
    make("p", "name", event.name),
    make("p", "", startOf(event, locale)),
    make("p", "place", place),
    make("p", "", ...details.flatMap((detail, index) => (index ? [" · ", detail] : [detail]))),
  );
  return make("div", `event ${status}`, words, button);
}

/** The start of an event, without the time if the event has none and fills days. */
function startOf({ starts_at, ends_at, timezone }: EventSummary, locale: string): string {
  const at = (iso: string) => shortDayAndTime(iso, timezone, "en-GB").slice(-5);
  const fillsDays = at(starts_at) === "00:00" && ends_at !== null && ["00:00", "23:59"].includes(at(ends_at));
  return fillsDays ? day(starts_at, timezone, locale) : shortDayAndTime(starts_at, timezone, locale);
}

/** A link that leaves frames, because the shop refuses to be shown in one. */
function link(path: string, text: string, isQuiet: boolean): HTMLAnchorElement {
  const made = make("a", isQuiet ? "quiet" : "", text);
  made.href = new URL(path, Widget.shop).href;
  made.target = "_top";
  return made;
}

function make<Name extends keyof HTMLElementTagNameMap>(name: Name, className: string, ...children: (Node | string)[]): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

async function read<Document>(path: string): Promise<Document> {
  const reply = await fetch(new URL(`api/v1/${path}`, Widget.shop), { credentials: "omit" });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  return (await reply.json()) as Document;
}

const { currentScript } = document;
if (currentScript instanceof HTMLScriptElement && !customElements.get("fairgate-tickets")) {
  Widget.shop = new URL("/", currentScript.src);
  // A constructed style sheet: the content policies of other websites may forbid <style>.
  Widget.sheet = new CSSStyleSheet();
  Widget.sheet.replaceSync(CSS);
  customElements.define("fairgate-tickets", Widget);
}
