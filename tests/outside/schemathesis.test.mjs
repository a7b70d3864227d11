// schemathesis generates valid and invalid requests from our own schema and OpenAPI document. The seed is fixed.
// GQL_PYTHON names the Python of the environment that it is installed in; without it the tests fail.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startDemo, startReadOnly } from "./server.mjs";

// It sends more than one caller's share.
process.env.BUILDBOT_GRAPHQL_RATE_POINTS = "0";

const MINUTES = 60_000;
const HOOKS = fileURLToPath(new URL("schemathesis_hooks.py", import.meta.url));

async function hasPassed(url, hooks, ...flags) {
  const tool = join(dirname(process.env.GQL_PYTHON ?? ""), "st");
  assert(existsSync(tool), `GQL_PYTHON must name a Python beside schemathesis, is: ${process.env.GQL_PYTHON}`);
  const cwd = mkdtempSync(join(tmpdir(), "schemathesis-"));
  const env = { ...process.env, SCHEMATHESIS_HOOKS: hooks ?? "", PYTHONDONTWRITEBYTECODE: "1" };
  const args = ["run", url, "--seed", "5", "--no-color", ...flags];
  const options = { cwd, env, timeout: 5 * MINUTES, maxBuffer: 1 << 26 };
  const [error, output] = await new Promise((ended) => execFile(tool, args, options, (e, out) => ended([e, out])));
  rmSync(cwd, { recursive: true, force: true });
  assert(!error, `${tool} ${args.join(" ")}: ${error?.code ?? error?.signal}\n${output}`);
  // A run without requests must not pass.
  const number = Number(/(\d+) generated, \d+ passed/.exec(output)?.[1]);
  assert(number > 100, output);
}

// The server still responds, has logged no error, and stops cleanly.
async function isWell(server) {
  const body = JSON.stringify({ query: "{ builders(first: 1) { nodes { name } } }" });
  const response = await fetch(`${server.origin}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  assert.equal(data.builders.nodes.length, 1);
  assert.deepEqual(server.log().filter((line) => /ERROR|panicked/.test(line)), []);
  await server.stop();
}

async function against(start, use) {
  const server = await start();
  try {
    await use(server);
    await isWell(server);
  } finally {
    server.cleanUp();
  }
}

for (const [who, start, examples] of [["everybody may write", startDemo, "15"], ["everybody may read", startReadOnly, "15"]]) {
  test(`GraphQL where ${who}: no error is the server's`, { timeout: 6 * MINUTES }, () => against(start, (server) =>
    hasPassed(`${server.origin}/graphql`, HOOKS, "--checks", "blames_the_client", "--max-examples", examples)));
}

// As in Buildbot, a field that `field` does not select can be neither filtered nor ordered by. OpenAPI cannot express
// that.
const REST = [null, "--exclude-checks", "positive_data_acceptance", "--max-examples", "4"];
// Every edge of every parameter is tried on one list and one step: there are thousands.
const EDGES = ["/builds/{buildid}/steps", "/steps/{stepid}"].flatMap((path) => ["--include-path", path]);

for (const [what, flags] of [["whatever comes", ["--phases", "fuzzing,stateful"]], ["every edge", ["--phases", "coverage", "--include-method", "GET", ...EDGES]]]) {
  test(`REST, ${what}: no server error, and every answer is as the OpenAPI document says`, { timeout: 6 * MINUTES }, () =>
    against(startDemo, (server) => hasPassed(`${server.origin}/api/v2/openapi.json`, ...REST, ...flags)));
}
