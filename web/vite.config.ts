import { defineConfig } from "vite";

// Everything that changes has a hash in its name, in assets/; the entries name them. Nothing is inlined: the policy allows no data: scripts.
// The manifest says which script is of which entry, for the budgets of infra/web.py.
export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    rolldownOptions: { input: ["index.html", "manage.html", "door.html"] },
  },
  worker: { format: "es" },
});
