// What the socket clients send in their payloads: tokens in connection_init in every usual form, and documents by name.
// npm graphql-ws requires a `query`, which is empty beside the name of a document.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createClient } from "graphql-ws";
import { SubscriptionClient } from "subscriptions-transport-ws";
import WebSocket from "ws";
import { sha256 } from "./apollo.mjs";
import { TIMEOUT, start } from "./server.mjs";

const QUERY = "query Cursor { eventCursor }";
const MUTATION = 'mutation { findBuilder(name: "payload") { name } }';
const TRUSTED = "query Trusted($last: Int!) { builds(last: $last) { nodes { buildid } } }";
let dir, open, closed, trusted, token;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "documents-test-"));
  const documents = join(dir, "documents.json");
  writeFileSync(documents, JSON.stringify({ builds: TRUSTED }));
  open = await start(["--anonymous", "read"]);
  closed = await start(["--anonymous", "none"]);
  trusted = await start(["--anonymous", "read", "--documents", documents, "--only-documents"]);
  token = await closed.createToken("write");
}, { timeout: 4 * TIMEOUT });
after(() => {
  for (const server of [open, closed, trusted]) server?.cleanUp();
  rmSync(dir, { recursive: true, force: true });
});

const address = ({ origin }) => `${origin.replace("http", "ws")}/graphql`;

// The only result of an operation with npm graphql-ws. An error is thrown: a list of errors, or a close.
async function ask(server, payload, connectionParams) {
  const client = createClient({ url: address(server), webSocketImpl: WebSocket, retryAttempts: 0, connectionParams });
  try {
    for await (const answer of client.iterate(payload)) return answer;
  } finally {
    await client.dispose();
  }
}

// The same with npm subscriptions-transport-ws.
async function askLegacy(server, payload, connectionParams) {
  const client = new SubscriptionClient(address(server), { reconnect: false, connectionParams }, WebSocket);
  try {
    return await new Promise((next, error) => {
      client.onError(error);
      client.request(payload).subscribe({ next, error });
    });
  } finally {
    client.close();
  }
}

for (const [form, params] of [
  ["Authorization", (value) => ({ Authorization: `Bearer ${value}` })],
  ["authorization without Bearer", (value) => ({ authorization: value })],
  ["headers.Authorization", (value) => ({ headers: { Authorization: `Bearer ${value}` } })],
  ["headers.authorization", (value) => ({ headers: { authorization: `Bearer ${value}` } })],
  ["authToken", (value) => ({ authToken: value })],
  ["authToken with Bearer", (value) => ({ authToken: `Bearer ${value}` })],
]) {
  test(`a token in ${form}`, async () => {
    for (const client of [ask, askLegacy]) {
      const { data } = await client(closed, { query: MUTATION }, params(token));
      assert.deepEqual(data, { findBuilder: { name: "payload" } });
    }
    const close = await ask(closed, { query: QUERY }, params("wrong")).then(() => assert.fail("no error"), (e) => e);
    assert.equal(close.code, 4403, `${close}`);
  });
}

for (const [form, params] of [
  ["Authorization", { Authorization: "" }],
  ["headers.Authorization", { headers: { Authorization: "" } }],
  ["authToken", { authToken: "" }],
  ["headers without it", { headers: { "X-Other": "1" } }],
]) {
  test(`an empty ${form} is an anonymous caller`, async () => {
    for (const client of [ask, askLegacy]) {
      assert.equal(typeof (await client(open, { query: QUERY }, params)).data.eventCursor, "string");
    }
    const close = await ask(closed, { query: QUERY }, params).then(() => assert.fail("no error"), (e) => e);
    assert.equal(close.code, 4403, `${close}`);
  });
}

test("an empty header Authorization is an anonymous caller", async () => {
  const headers = { "Content-Type": "application/json", Authorization: "" };
  const response = await fetch(`${open.origin}/graphql`, { method: "POST", headers, body: JSON.stringify({ query: QUERY }) });
  assert.equal(response.status, 200);
  assert.equal(typeof (await response.json()).data.eventCursor, "string");
});

test("an empty query beside extensions.persistedQuery, and beside documentId", async () => {
  const query = "query Named { eventCursor }";
  const extensions = { persistedQuery: { version: 1, sha256Hash: sha256(query) } };
  const [unknown] = await ask(open, { query: "", extensions }).then(() => assert.fail("no error"), (e) => e);
  assert.equal(unknown.extensions.code, "PERSISTED_QUERY_NOT_FOUND");
  for (const payload of [{ query, extensions }, { query: "", extensions }, { query: "", documentId: `sha256:${sha256(query)}` }]) {
    assert.equal(typeof (await ask(open, payload)).data.eventCursor, "string");
  }
});

test("with --only-documents: a trusted document by its id and by its text, and no other", async () => {
  const variables = { last: 1 };
  for (const payload of [{ query: "", documentId: "builds", variables }, { query: TRUSTED, variables }]) {
    assert.deepEqual((await ask(trusted, payload)).data, { builds: { nodes: [] } });
  }
  const [refused] = await ask(trusted, { query: QUERY }).then(() => assert.fail("no error"), (e) => e);
  assert.equal(refused.extensions.code, "PERSISTED_QUERY_ONLY");
});
