// node tests/outside/differential/run.mjs URL [--seed N] [--count N], against a server over an empty database with the
// flags --anonymous write --rate-points 0.
import { parseArgs } from "node:util";
import { COUNT, SEED, SUITES, compare, report, schemas, start } from "./compare.mjs";

const options = { seed: { type: "string", default: `${SEED}` }, count: { type: "string", default: `${COUNT}` } };
const { values, positionals: [url] } = parseArgs({ options, allowPositionals: true });
const reference = await start(url);
for (const name of SUITES) {
  const started = Date.now();
  const { shapes, ...counts } = await compare(reference, name, Number(values.seed), Number(values.count));
  console.log(`== ${name}: ${counts.requests} requests in ${Date.now() - started} ms, ${counts.limited} above a limit`);
  console.log(`${shapes.size} shapes of difference\n\n${report(shapes)}\n`);
  if (shapes.size) process.exitCode = 1;
}
const [told, written] = await schemas(reference);
if (told !== written) {
  console.log("== introspection tells another schema than schema.graphql");
  process.exitCode = 1;
}
