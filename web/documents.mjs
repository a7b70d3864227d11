// Prints every operation of the page by its id, as `--documents` reads them.
import { createHash } from "node:crypto";
import { build } from "vite";

const { output } = (await build({
  configFile: false,
  logLevel: "error",
  build: { write: false, lib: { entry: "src/gql/graphql.ts", formats: ["es"] }, minify: false },
}))[0];
const module = await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);
const documents = Object.entries(module)
  .filter(([name]) => name.endsWith("Document"))
  .map(([, document]) => String(document))
  .map((text) => [`sha256:${createHash("sha256").update(text).digest("hex")}`, text])
  .sort();
console.log(JSON.stringify(Object.fromEntries(documents), null, 1));
