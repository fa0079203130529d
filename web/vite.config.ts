import { readdirSync, readFileSync } from "node:fs";
import { build, defineConfig, minifySync, type Plugin } from "vite";

// Code shared by the entries goes into one file: small files compress badly, and all files of an entry count for its budget. Each language is a separate file.
// So are the verdict about a draw and the note about the seller, which several pages share and no page needs at once.
const SHARED = { name: "shared", minShareCount: 2, test: /\/(src\/(?!manage|door|.*(-verdict|-legal|seller-note)\.)|node_modules\/(preact|openapi))/ };
// The rights, the API, the amounts and the events of a person, which the door uses of the pages for managers: without this file, it would load their parts and texts.
const RIGHTS = { name: "rights", test: /\/src\/manage\/(api|rights|amounts|events\/own-events)\.ts/ };
// Parts shared by the pages for managers go into one file too, and so do those shared by the pages of an event.
const PARTS = { name: "parts", minShareCount: 2, test: /\/src\/manage\/(parts\/(?!chart)|.*\/(by-whom|order-numbers|figures)\.)/ };
const EVENTS = { name: "events", minShareCount: 2, test: /\/src\/manage\/events\// };

// The shop's first script does not name the scripts that a later part needs besides its own. Each part loads them itself, and nearly all
// are there already, but their names would take a third of a kilobyte of what a buyer on a slow network waits for.
const SHOP = /assets\/index-/;

// The add-ons of the stage, whose names infra/web.py passes; without the variable, all.
const ADDONS = ["documents", "images", "messages", "outgoing_webhooks", "packages", "reports", "waitlist", "wallets"];
const enabled = process.env.FAIRGATE_ADDONS?.split(",") ?? ADDONS;

// The first frame of each page, until its scripts have arrived: the header of src/parts/frame.tsx and a page that is loading, around the note
// for visitors without scripts. It has no other words, because the file does not know the visitor's language.
const HEADER = `<header class="top"><a class="brand"><svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
<path class="brand-gate" d="M4 3h24v26h-6V16a6 6 0 0 0-12 0v13H4z" /><circle class="brand-light" cx="16" cy="18" r="2.6" /></svg>Fairgate</a><nav></nav></header>`;
const LOADING = `<main id="content"><div class="page"><div class="skeleton">${'<span class="skeleton-line"></span>'.repeat(6)}</div></div></main>`;
const FRAME = {
  name: "first-frame",
  transformIndexHtml: (html: string) => html.replace(/(<div id="app">)(.*?)(<\/div>)/s, (_, begin, note, end) => begin + HEADER + note + LOADING + end),
};

// The note for visitors without scripts, in each language, because the files do not know the visitor's.
const WORDS = new URL("../chalicelib/edge/words/", import.meta.url);
const NOSCRIPT: Plugin = {
  name: "noscript",
  transformIndexHtml: (html) => {
    const notes = readdirSync(WORDS).map((file) => (JSON.parse(readFileSync(new URL(file, WORDS), "utf8")) as { noscript: string }).noscript);
    return html.replace("%NOSCRIPT%", notes.join(" "));
  },
};

// The script that requests what a page needs while the other scripts are loading. The pages that arrive with their words do not need it, because
// they name their texts themselves (infra/web.py).
let early = "";
const EARLY: Plugin = {
  name: "early-requests",
  generateBundle(_options, bundle) {
    const texts: Record<string, string> = {};
    for (const file of Object.values(bundle)) {
      const source = file.type === "chunk" && /\/src\/texts\/([a-z]{2})\.ts$/.exec(file.facadeModuleId ?? "");
      if (source) texts[source[1]!] = `/${file.fileName}`;
    }
    const script = readFileSync(new URL("src/early-requests.js", import.meta.url), "utf8");
    const { code } = minifySync("early-requests.js", `const TEXTS = ${JSON.stringify(texts)};${script}`, { module: true });
    early = this.getFileName(this.emitFile({ type: "asset", name: "early-requests.js", source: code }));
  },
  transformIndexHtml: {
    order: "post",
    handler: (html, { path }) => (path === "/index.html" ? html.replace("<script ", `<script type="module" crossorigin src="/${early}"></script>\n    $&`) : html),
  },
};

// The widget for other websites: one script with a fixed name, which is not a module, because modules of other origins need CORS.
const WIDGET: Plugin = {
  name: "widget",
  async generateBundle() {
    const entry = new URL("src/widget.ts", import.meta.url).pathname;
    const lib = { entry, formats: ["iife" as const], name: "fairgate", fileName: () => "widget.js" };
    const built = await build({ configFile: false, publicDir: false, logLevel: "warn", build: { target: "es2022", write: false, lib } });
    const [result] = [built].flat();
    if (!("output" in result!)) throw new Error("The widget was not built.");
    this.emitFile({ type: "asset", fileName: "widget.js", source: result.output[0].code });
  },
};

// Every file that changes is in assets/ with a hash in its name, except the widget. Nothing is inlined, because the content security policy allows no data: scripts.
// The manifest lists the scripts of each entry, for the budgets in infra/web.py.
export default defineConfig({
  plugins: [FRAME, NOSCRIPT, EARLY, WIDGET],
  define: Object.fromEntries(ADDONS.map((name) => [`ADDONS.${name}`, String(enabled.includes(name))])),
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false, resolveDependencies: (_file, files, { hostId, hostType }) => (hostType === "js" && SHOP.test(hostId) ? [] : files) },
    manifest: true,
    rolldownOptions: { input: ["index.html", "manage.html", "door.html"], output: { codeSplitting: { groups: [SHARED, RIGHTS, PARTS, EVENTS] } } },
  },
  worker: { format: "es" },
});
