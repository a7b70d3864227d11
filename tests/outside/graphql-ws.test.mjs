// The client of npm graphql-ws, with the subprotocol graphql-transport-ws.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { EVENTS, INVALID, MUTATION, QUERY, newBuild, resumes, until } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

let server, build;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

function client(origin, options) {
  const url = `${origin.replace("http", "ws")}/graphql`;
  // By default it does not retry a refused connection.
  const patient = { retryAttempts: 100, retryWait: () => sleep(50), shouldRetry: () => true };
  return createClient({ url, webSocketImpl: WebSocket, ...patient, ...options });
}

// The only response to an operation, or its error.
async function ask(request) {
  const asked = client(server.origin);
  try {
    for await (const answer of asked.iterate(request)) return answer;
  } finally {
    await asked.dispose();
  }
}

test("a query and a mutation", async () => {
  const builds = await ask({ query: QUERY, variables: { last: 1 } });
  assert.deepEqual(builds, { data: { builds: { nodes: [{ buildid: build.buildid }] } } });
  const said = await ask({ query: MUTATION, variables: { step: build.stepid, state: "over a socket" } });
  assert.equal(said.data.setStepStateString.step.stateString, "over a socket");
});

test("a document that is not valid is an error of the operation, not an answer", async () => {
  const error = await ask({ query: INVALID }).then(() => assert.fail("no error"), (e) => e);
  assert(Array.isArray(error), `${error}`);
  assert.match(error[0].message, /noSuchField/);
  assert.equal(error[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("it resumes with its cursor after cuts and after kill -9", async () => {
  await resumes(({ origin, buildid, after, hear, fail }) => {
    const resuming = client(origin);
    // The client sends this object again with each connection.
    const variables = { build: buildid, after };
    resuming.subscribe({ query: EVENTS, variables }, {
      next({ data, errors }) {
        if (errors) return fail(JSON.stringify(errors));
        variables.after = data.stepEvents.cursor;
        hear(data.stepEvents);
      },
      error: (e) => fail(`${e?.code} ${e?.reason} ${JSON.stringify(e)}`),
      complete: () => {},
    });
    return () => resuming.dispose();
  });
});

test("1001 when the server stops is no end: the client comes back", async () => {
  const codes = [];
  const stopping = await startServer();
  const { buildid } = await newBuild(stopping.origin);
  let acknowledged = 0, error;
  const back = client(stopping.origin, { on: { closed: ({ code }) => codes.push(code), connected: () => (acknowledged += 1) } });
  try {
    back.subscribe({ query: EVENTS, variables: { build: buildid } }, { next() {}, error: (e) => (error = e), complete() {} });
    await until(() => acknowledged === 1, () => "the first connection");
    await stopping.stop();
    await until(() => codes.length > 0, () => "the close");
    assert.equal(codes[0], 1001);
    await stopping.restart();
    await until(() => acknowledged === 2 || error, () => `the second connection, closed with ${codes}`);
    assert.equal(error, undefined);
  } finally {
    await back.dispose();
    stopping.cleanUp();
  }
});

// The client treats these codes as its own errors and never retries.
for (const [code, what, options] of [
  [4400, "a message that is no JSON", { on: { connected: (socket) => socket.send("{") } }],
  [4400, "a message of an unknown type", { on: { connected: (socket) => socket.send('{"type":"start"}') } }],
  [4401, "a subscription before the handshake", {
    on: { opened: (socket) => socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: QUERY } })) },
  }],
  [4409, "an id that is in use", { generateID: () => "1" }],
  [4429, "a second handshake", { on: { connected: (socket) => socket.send('{"type":"connection_init"}') } }],
]) {
  test(`${code} for ${what} is fatal`, async () => {
    let connections = 0;
    const { connected, opened } = options.on ?? {};
    const on = { connecting: () => (connections += 1), connected, opened };
    const wrong = client(server.origin, { ...options, on });
    try {
      const request = { query: EVENTS, variables: { build: build.buildid } };
      const ended = [1, 2].map(() => new Promise((resolve) => {
        wrong.subscribe(request, { next() {}, error: resolve, complete: () => resolve("complete") });
      }));
      const close = await Promise.race([...ended, sleep(10_000, "nothing", { ref: false })]);
      assert.equal(close.code, code, `${close.reason ?? close}`);
      assert.equal(connections, 1);
    } finally {
      await wrong.dispose();
    }
  });
}

test("a socket without a subprotocol is refused with 400", async () => {
  const socket = new WebSocket(`${server.origin.replace("http", "ws")}/graphql`);
  const [, response] = await once(socket, "unexpected-response");
  assert.equal(response.statusCode, 400);
  response.destroy();
});
