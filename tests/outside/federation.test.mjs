// @apollo/gateway over the server and a second subgraph, which refers to the server's objects by both of their keys and
// adds fields to them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { ApolloGateway, IntrospectAndCompose } from "@apollo/gateway";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { graphql, parse } from "graphql";
import { newBuild } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])

  type Query { notes: [Note!]! page: PageInfo! }
  type Note { text: String! at: DateTime result: Results link: Url step: Step build: Build builder: Builder }

  interface Node { id: ID! }
  type Step @key(fields: "stepid") { stepid: Int! flaky: Boolean! }
  type Build implements Node @key(fields: "id") { id: ID! owner: String! }
  type Builder @key(fields: "builderid", resolvable: false) { builderid: Int! }

  scalar DateTime
  enum Results { SUCCESS WARNINGS FAILURE SKIPPED EXCEPTION RETRY CANCELLED }
  type Url @shareable { name: String! url: String! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
`);

let server, ids, notes, gateway, executor, close;

// What the second service knows of the first: keys alone.
function secondSubgraph() {
  const note = (text, refers) => ({ text, at: "2026-11-22T06:16:00Z", result: "FAILURE", link: { name: "n", url: "http://n" }, ...refers });
  notes = [
    note("both", { step: { stepid: ids.stepid }, build: { id: ids.build }, builder: { builderid: ids.builderid } }),
    note("gone", { step: { stepid: 999_999 }, build: { id: "QnVpbGQ6OTk5OTk5" } }),
    note("no id", { build: { id: "garbage" }, builder: { builderid: ids.builderid } }),
  ];
  const resolvers = {
    Query: { notes: () => notes, page: () => ({ hasNextPage: false, hasPreviousPage: true }) },
    Step: { flaky: ({ stepid }) => stepid === ids.stepid },
    Build: { owner: ({ id }) => `owner of ${id}` },
  };
  return buildSubgraphSchema({ typeDefs, resolvers });
}

async function serve(schema) {
  const http = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { query, variables } = JSON.parse(Buffer.concat(chunks));
    const result = await graphql({ schema, source: query, variableValues: variables });
    response.setHeader("content-type", "application/json").end(JSON.stringify(result));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return [`http://127.0.0.1:${http.address().port}`, () => http.close()];
}

async function ask(query, variables = {}) {
  const request = { query, variables };
  const context = { document: parse(query), request, source: query, queryHash: query, context: {}, metrics: {}, logger: console };
  return JSON.parse(JSON.stringify(await executor(context)));
}

before(async () => {
  server = await startServer();
  const { buildid, stepid } = await newBuild(server.origin);
  const first = await fetch(`${server.origin}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: `{ build(buildid: ${buildid}) { id builderid } }` }),
  });
  const { data: { build } } = await first.json();
  ids = { buildid: Number(buildid), stepid: Number(stepid), build: build.id, builderid: build.builderid };
  let url;
  [url, close] = await serve(secondSubgraph());
  const subgraphs = [{ name: "buildbot", url: `${server.origin}/graphql` }, { name: "notes", url }];
  gateway = new ApolloGateway({ supergraphSdl: new IntrospectAndCompose({ subgraphs }) });
  ({ executor } = await gateway.load());
}, { timeout: TIMEOUT });
after(async () => {
  await gateway?.stop();
  close?.();
  server?.cleanUp();
});

test("fields of the second service on the server's objects", async () => {
  const query = "query($b: Int!) { build(buildid: $b) { number owner steps { name flaky } } page { hasPreviousPage } }";
  const { data, errors } = await ask(query, { b: ids.buildid });
  assert.equal(errors, undefined);
  assert.equal(data.build.owner, `owner of ${ids.build}`);
  assert.deepEqual(data.build.steps.map(({ flaky }) => flaky), [true]);
  assert.deepEqual(data.page, { hasPreviousPage: true });
});

test("the server's fields on what the second service refers to, by id and by integer id", async () => {
  const { data, errors } = await ask(`{ notes { text at result link { url } step { name flaky build { buildid owner } }
    build { buildid builder { builderid name } } builder { builderid name } } }`);
  const [both, gone, noId] = data.notes;
  assert.equal(both.step.name.length > 0, true);
  assert.deepEqual(both.step.build, { buildid: ids.buildid, owner: `owner of ${ids.build}` });
  assert.equal(both.build.buildid, ids.buildid);
  assert.deepEqual(both.build.builder, both.builder);
  assert.equal(both.builder.builderid, ids.builderid);
  // A row that is not there: what the first service would add to it is missing, so it is null.
  assert.equal(gone.step, null);
  assert.equal(gone.build, null);
  // An id that is none is an error, and the others are answered.
  assert.equal(noId.build, null);
  assert.equal(noId.builder.name, both.builder.name);
  const messages = errors.map(({ message }) => message);
  assert(messages.some((message) => /^representations\[\d\]\.id: the ID of a Build that this server gave, got "garbage"$/.test(message)), `${messages}`);
});

test("mutations and lists go through the gateway", async () => {
  const set = "mutation($s: Int!) { setStepStateString(stepid: $s, stateString: \"by the gateway\") { step { stateString flaky } } }";
  const { data } = await ask(set, { s: ids.stepid });
  assert.deepEqual(data.setStepStateString.step, { stateString: "by the gateway", flaky: true });
  const listed = await ask("{ steps(first: 5) { pageInfo { hasNextPage } nodes { stepid flaky } } }");
  assert.deepEqual(listed.data.steps, { pageInfo: { hasNextPage: false }, nodes: [{ stepid: ids.stepid, flaky: true }] });
});
