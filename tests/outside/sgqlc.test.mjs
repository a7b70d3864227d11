// PyPI sgqlc: it introspects the running server, generates a module of its schema, and that is used. CODEGEN_PYTHON
// names a Python with the packages of requirements-codegen.txt; without it the tests fail, they are never skipped.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { codegenPython } from "./codegen-python.mjs";
import { newBuild } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const script = new URL("sgqlc_client.py", import.meta.url).pathname;

test("a generated module runs a query, a mutation and an error", async () => {
  const python = codegenPython();
  const dir = mkdtempSync(join(tmpdir(), "sgqlc-test-"));
  const server = await startServer();
  try {
    const url = `${server.origin}/graphql`;
    const { buildid, stepid } = await newBuild(server.origin);
    const run = (command, ...flags) => promisify(execFile)(command, flags, { cwd: dir, timeout: TIMEOUT });
    await run(python, "-m", "sgqlc.introspection", url, "steps.json");
    await run(join(dirname(python), "sgqlc-codegen"), "schema", "--docstrings", "steps.json", "steps.py");
    const { stdout } = await run(python, script, dir, url, buildid, stepid);
    assert.deepEqual(JSON.parse(stdout), {
      said: "generated",
      steps: [["a", "generated"]],
      started: 0,
      builds: [buildid],
      more: false,
      node: "a",
      errors: "GRAPHQL_VALIDATION_FAILED",
    });
  } finally {
    server.cleanUp();
    rmSync(dir, { recursive: true, force: true });
  }
});
