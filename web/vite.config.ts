import { defineConfig } from "vite";

// Everything that changes has a hash in its name, in assets/; index.html names them. Nothing is inlined: the policy allows no data: scripts.
export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: "es" },
});
