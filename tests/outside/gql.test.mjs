// PyPI gql, run in its own process. GQL_PYTHON names a Python with the packages of requirements.txt; without it the
// tests fail, they are never skipped.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { newBuild, resumes } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const script = new URL("gql_client.py", import.meta.url).pathname;
const address = (origin) => `${origin.replace("http", "ws")}/graphql`;

function python() {
  const named = process.env.GQL_PYTHON;
  assert(named && existsSync(named), `GQL_PYTHON must name a Python with gql, is: ${named}`);
  return named;
}

// By default gql offers the legacy subprotocol first, and assumes that it was chosen unless the response header is
// spelled exactly Sec-WebSocket-Protocol, which servers built on hyper never send.
for (const protocol of ["default", "graphql-transport-ws"]) {
  test(`${protocol}: a query, a mutation and a document that is not valid`, async () => {
    const server = await startServer();
    try {
      const { buildid, stepid } = await newBuild(server.origin);
      const { stdout } = await promisify(execFile)(python(), [script, "once", protocol, address(server.origin), stepid], { timeout: TIMEOUT });
      const { query, mutation, errors } = JSON.parse(stdout);
      assert.deepEqual(query, { builds: { nodes: [{ buildid }] } });
      assert.deepEqual(mutation, { setStepStateString: { step: { stateString: "from Python" } } });
      assert.match(errors[0].message, /noSuchField/);
      assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    } finally {
      server.cleanUp();
    }
  });

  test(`${protocol}: it resumes with its cursor after cuts and after kill -9`, async () => {
    await resumes(({ origin, buildid, after, hear, fail }) => {
      const child = spawn(python(), [script, "listen", protocol, address(origin), buildid, after], { stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      child.stderr.on("data", (text) => (said += text));
      createInterface({ input: child.stdout }).on("line", (line) => hear(JSON.parse(line)));
      child.on("exit", (code) => fail(`it ended with ${code}:\n${said}`));
      return () => child.kill("SIGKILL");
    });
  });
}

test("execute_batch sends several operations as one", async () => {
  const server = await startServer();
  try {
    const { buildid, stepid } = await newBuild(server.origin);
    const { stdout } = await promisify(execFile)(python(), [script, "batch", `${server.origin}/graphql`, stepid], { timeout: TIMEOUT });
    const { answers, errors } = JSON.parse(stdout);
    const builds = { builds: { nodes: [{ buildid }] } };
    assert.deepEqual(answers, [builds, { setStepStateString: { step: { stateString: "in a batch" } } }, builds]);
    assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
  } finally {
    server.cleanUp();
  }
});
