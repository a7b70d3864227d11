import { defineConfig } from "vite";

// `scripts/page` builds into `assets/page`. While you work on the page, `npm start` serves it and
// passes requests to a server on the default address.
const server = process.env["BUILDBOT_GRAPHQL_URL"] ?? "http://127.0.0.1:8020";

export default defineConfig(({ command }) => ({
  base: command === "build" ? "/page/" : "/",
  build: {
    outDir: process.env["PAGE_OUT"] ?? "dist",
    assetsDir: "",
    modulePreload: false,
    rolldownOptions: {
      output: {
        // Fixed names: the server names each file in its code, and tells versions apart by ETags.
        entryFileNames: "page.js",
        chunkFileNames: "chart.js",
        assetFileNames: "page[extname]",
      },
    },
  },
  server: {
    proxy: {
      "/graphql": { target: server, ws: true },
      "/graphiql": { target: server },
      "/api": { target: server },
    },
  },
}));
