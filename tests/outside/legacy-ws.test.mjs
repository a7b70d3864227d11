// The client of npm subscriptions-transport-ws, which speaks the legacy subprotocol graphql-ws.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SubscriptionClient } from "subscriptions-transport-ws";
import WebSocket from "ws";
import { EVENTS, INVALID, MUTATION, QUERY, newBuild, resumes } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

let server, build;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

function client(origin) {
  const options = { reconnect: true, minTimeout: 5_000 };
  const made = new SubscriptionClient(`${origin.replace("http", "ws")}/graphql`, options, WebSocket);
  // Its retry delay grows from 1 s and is reset once an event arrives.
  made.maxConnectTimeGenerator.duration = () => 5_000;
  made.backoff.duration = () => 50;
  return made;
}

async function ask(request) {
  const asked = client(server.origin);
  try {
    return await new Promise((next, error) => asked.request(request).subscribe({ next, error }));
  } finally {
    asked.close();
  }
}

test("a query and a mutation", async () => {
  const builds = await ask({ query: QUERY, variables: { last: 1 } });
  assert.deepEqual(builds, { data: { builds: { nodes: [{ buildid: build.buildid }] } } });
  const said = await ask({ query: MUTATION, variables: { step: build.stepid, state: "the old way" } });
  assert.equal(said.data.setStepStateString.step.stateString, "the old way");
});

test("a document that is not valid is an error of the operation, not an answer", async () => {
  const error = await ask({ query: INVALID }).then((answer) => assert.fail(JSON.stringify(answer)), (e) => e);
  assert.match(error.message, /noSuchField/);
});

test("it resumes with its cursor after cuts and after kill -9", async () => {
  await resumes(({ origin, buildid, after, hear, fail }) => {
    const resuming = client(origin);
    // The client sends this object again with each connection.
    const variables = { build: buildid, after };
    resuming.request({ query: EVENTS, variables }).subscribe({
      next({ data, errors }) {
        if (errors) return fail(JSON.stringify(errors));
        variables.after = data.stepEvents.cursor;
        hear(data.stepEvents);
      },
      error: (e) => fail(`${e}`),
      complete: () => fail("complete"),
    });
    return () => resuming.close();
  });
});
