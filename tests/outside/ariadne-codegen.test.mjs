// PyPI ariadne-codegen: a client generated from the running server's introspection, and run. CODEGEN_PYTHON names a
// Python with the packages of requirements-codegen.txt; without it the tests fail, they are never skipped.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { codegenPython } from "./codegen-python.mjs";
import { newBuild } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const script = new URL("ariadne_client.py", import.meta.url).pathname;
const DOCUMENTS = `
query BuildSteps($buildid: Int!) { build(buildid: $buildid) { number startedAt steps { id name } } }
query Node($id: ID!) { node(id: $id) { id ... on Step { name } } }
mutation Say($stepid: Int!, $state: String!) { setStepStateString(stepid: $stepid, stateString: $state) { cursor step { stateString } } }
mutation Finish($stepid: Int!, $results: Results!) { finishStep(stepid: $stepid, results: $results) { cursor } }
subscription StepEvents($buildid: Int!) { stepEvents(where: { buildid: $buildid }, snapshot: true) { kind step { stateString } } }
`;

test("a generated client runs a query, mutations, an error and a subscription", async () => {
  const python = codegenPython();
  const dir = mkdtempSync(join(tmpdir(), "ariadne-test-"));
  const server = await startServer();
  try {
    const url = `${server.origin}/graphql`;
    const { buildid, stepid } = await newBuild(server.origin);
    writeFileSync(join(dir, "queries.graphql"), DOCUMENTS);
    writeFileSync(join(dir, "pyproject.toml"), `[tool.ariadne-codegen]
remote_schema_url = "${url}"
queries_path = "queries.graphql"
target_package_name = "client"
`);
    const options = { cwd: dir, timeout: 2 * TIMEOUT };
    await promisify(execFile)(python, ["-m", "ariadne_codegen"], options);
    const { stdout } = await promisify(execFile)(python, [script, dir, url, buildid, stepid], options);
    assert.deepEqual(JSON.parse(stdout), {
      names: ["a"],
      said: "generated",
      code: "NOT_FOUND",
      event: ["SNAPSHOT", "generated"],
      node: ["Step", "a"],
    });
  } finally {
    server.cleanUp();
    rmSync(dir, { recursive: true, force: true });
  }
});
