import { defineConfig } from "vite";

// What entries share is one file: small files compress badly, and all of an entry's files are in its budget. Each language is a file of its own.
const SHARED = { name: "shared", minShareCount: 2, test: /\/(src\/(?!manage|door)|node_modules\/(preact|openapi))/ };
// Pages of those who manage share parts, in one file too.
const ROOMS = { name: "rooms", minShareCount: 2, test: /\/src\/manage\/parts\/(?!chart)/ };

// Everything that changes has a hash in its name, in assets/; the entries name them. Nothing is inlined: the policy allows no data: scripts.
// The manifest says which script is of which entry, for the budgets of infra/web.py.
export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    rolldownOptions: { input: ["index.html", "manage.html", "door.html"], output: { codeSplitting: { groups: [SHARED, ROOMS] } } },
  },
  worker: { format: "es" },
});
