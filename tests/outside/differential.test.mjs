// The server decides on a request as graphql-js does: refused, executed with errors, or executed, with the same data.
// DIFFERENTIAL_SEED and DIFFERENTIAL_COUNT choose other random requests.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { COUNT, SEED, SUITES, compare, report, schemas, start, unused } from "./differential/compare.mjs";
import { TIMEOUT, launch } from "./server.mjs";

const seed = Number(process.env.DIFFERENTIAL_SEED ?? SEED);
const count = Number(process.env.DIFFERENTIAL_COUNT ?? COUNT);
const used = [];
let dir, server, reference;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "outside-test-"));
  const database = `sqlite://${dir}/test.sqlite?mode=rwc`;
  const flags = ["--database-url", database, "--anonymous", "write", "--rate-points", "0"];
  server = await launch(dir, "127.0.0.1:0", flags);
  reference = await start(`${server.origin}/graphql`);
}, { timeout: 2 * TIMEOUT });
after(() => {
  server?.child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

for (const name of SUITES) {
  test(`${name} are answered as graphql-js answers them`, async () => {
    const { requests, limited, shapes, used: here } = await compare(reference, name, seed, count);
    used.push(...here);
    assert(shapes.size === 0, `${shapes.size} shapes of difference, seed ${seed}\n\n${report(shapes)}\n`);
    assert(limited * 20 < requests, `${limited} of ${requests} are above a limit`);
  });
}

test("introspection tells the schema of schema.graphql", async () => {
  const [told, written] = await schemas(reference);
  assert.equal(told, written);
});

test("each difference that is allowed exists", { skip: seed !== SEED || count !== COUNT }, () => {
  assert.deepEqual(unused(used), []);
});
