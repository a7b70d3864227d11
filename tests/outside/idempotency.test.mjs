// Apollo Client 4's RetryLink repeats a mutation whose answer was lost. With a key the server does it once.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { RetryLink } from "@apollo/client/link/retry";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { newBuild, post } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const MUTATION = `mutation Add($build: Int!, $name: String!) {
  newStep(buildid: $build, name: $name) { cursor step { stepid name number } }
}`;
let server, build;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

// How often a step of this name, with whatever suffix, was added.
async function count(name) {
  const { steps } = await post(server.origin, `{ steps(where: { name: { contains: "${name}" } }) { totalCount } }`);
  return steps.totalCount;
}

// Passes requests on, but of the first only its answer is lost: the connection ends instead.
async function startLossyProxy() {
  const answers = [];
  const proxy = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { host, connection, "content-length": length, ...headers } = request.headers;
    const answer = await fetch(`${server.origin}${request.url}`, { method: request.method, headers, body: Buffer.concat(parts) });
    answers.push(await answer.json());
    if (answers.length === 1) return request.socket.destroy();
    response.writeHead(answer.status, { "Content-Type": answer.headers.get("content-type") });
    response.end(JSON.stringify(answers.at(-1)));
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { answers, origin: `http://127.0.0.1:${proxy.address().port}`, close: () => proxy.close() };
}

// Adds a step by Apollo Client through a proxy that loses the first answer. `link` gives the operation its key.
async function addThroughLoss(name, link) {
  const proxy = await startLossyProxy();
  try {
    const retry = new RetryLink({ delay: { initial: 10, jitter: false }, attempts: { max: 3 } });
    const http = new HttpLink({ uri: `${proxy.origin}/graphql`, includeExtensions: true });
    const client = new ApolloClient({ cache: new InMemoryCache(), link: ApolloLink.from([link, retry, http]) });
    const { data } = await client.mutate({ mutation: gql(MUTATION), variables: { build: build.buildid, name } });
    assert.equal(data.newStep.step.name, name);
    assert.equal(proxy.answers.length, 2);
    assert.deepEqual(proxy.answers[1], proxy.answers[0]);
  } finally {
    proxy.close();
  }
}

const inHeader = (key) => new ApolloLink((operation, forward) => {
  operation.setContext(({ headers }) => ({ headers: { ...headers, "Idempotency-Key": key } }));
  return forward(operation);
});
const inExtensions = (key) => new ApolloLink((operation, forward) => {
  operation.extensions.idempotencyKey = key;
  return forward(operation);
});

for (const [where, withKey] of [["the header Idempotency-Key", inHeader], ["extensions.idempotencyKey", inExtensions]]) {
  test(`a mutation whose answer is lost is done once, with a key in ${where}`, async () => {
    const name = `once-${withKey.name}`;
    await addThroughLoss(name, withKey(randomUUID()));
    assert.equal(await count(name), 1);
  });
}

// The status and the body of a mutation with this key.
async function add(key, variables, query = MUTATION) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  const response = await fetch(`${server.origin}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return { status: response.status, body: await response.json() };
}

test("a socket is told what was done over HTTP, also after kill -9", async () => {
  const key = randomUUID();
  const variables = { build: build.buildid, name: "socket" };
  const { body: first } = await add(key, variables);
  const overSocket = async () => {
    const client = createClient({ url: `${server.origin.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket });
    try {
      for await (const answer of client.iterate({ query: MUTATION, variables, extensions: { idempotencyKey: key } })) return answer;
    } finally {
      await client.dispose();
    }
  };
  assert.deepEqual(await overSocket(), first);
  await server.restart();
  assert.deepEqual(await overSocket(), first);
  assert.equal(await count("socket"), 1);
});

test("the key of another request is a conflict", async () => {
  const key = randomUUID();
  const variables = { build: build.buildid, name: "conflict" };
  assert.equal((await add(key, variables)).status, 200);
  for (const other of [
    await add(key, { ...variables, name: "conflict_other" }),
    await add(key, variables, MUTATION.replace("cursor", "")),
  ]) {
    assert.equal(other.status, 422);
    assert.equal(other.body.errors[0].extensions.code, "CONFLICT");
  }
  assert.equal(await count("conflict"), 1);
});
