/**
 * The console's build. `npm run console:dev` serves it with reloading, against a gateway at
 * GATEWAY_URL.
 */
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const gateway = process.env["GATEWAY_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [react()],
  build: {
    // two pages: the console and the API reference
    rollupOptions: {
      input: [
        fileURLToPath(new URL("index.html", import.meta.url)),
        fileURLToPath(new URL("docs.html", import.meta.url)),
      ],
    },
    outDir: fileURLToPath(new URL("../dist/console", import.meta.url)),
    emptyOutDir: true,
    target: "es2023",
    // the page's policy forbids inline scripts, so small files stay files too
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
    // lists each bundled package with its licence; scripts/console.ts makes licenses.txt from it
    license: { fileName: "licenses.json" },
    chunkSizeWarningLimit: 2_000,
  },
  // the protocol package, which the console shares with the gateway, is outside this folder
  server: {
    fs: { allow: [fileURLToPath(new URL("..", import.meta.url))] },
    proxy: { "/v1": gateway, "/openapi.json": gateway, "/docs": gateway, "/problems": gateway },
  },
});
