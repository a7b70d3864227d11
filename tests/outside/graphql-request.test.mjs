// npm graphql-request: requests by POST and GET, errors, and batches.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ClientError, GraphQLClient, batchRequests, request } from "graphql-request";
import { INVALID, MUTATION, newBuild } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const OLDEST = "query Oldest($first: Int!) { builds(first: $first) { nodes { buildid } } }";
let server, build, url;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
  url = `${server.origin}/graphql`;
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

const oldest = () => ({ builds: { nodes: [{ buildid: build.buildid }] } });

test("a query and a mutation by POST", async () => {
  assert.deepEqual(await request(url, OLDEST, { first: 1 }), oldest());
  const { setStepStateString } = await request(url, MUTATION, { step: build.stepid, state: "requested" });
  assert.equal(setStepStateString.step.stateString, "requested");
});

test("a query by GET", async () => {
  const client = new GraphQLClient(url, { method: "GET", jsonSerializer: JSON });
  assert.deepEqual(await client.request(OLDEST, { first: 1 }), oldest());
});

test("a document that is not valid is a ClientError with its code", async () => {
  const error = await request(url, INVALID).then(() => assert.fail("no error"), (e) => e);
  assert(error instanceof ClientError, `${error}`);
  assert.equal(error.response.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("batchRequests sends several operations as one", async () => {
  const answers = await batchRequests(url, [
    { document: OLDEST, variables: { first: 1 } },
    { document: MUTATION, variables: { step: build.stepid, state: "in a batch" } },
    { document: "{ eventCursor }" },
  ]);
  assert.equal(answers.length, 3);
  assert.deepEqual(answers[0].data, oldest());
  assert.equal(answers[1].data.setStepStateString.step.stateString, "in a batch");
  assert.equal(typeof answers[2].data.eventCursor, "string");
});

test("an operation of a batch that is wrong leaves the others their data", async () => {
  const client = new GraphQLClient(url, { errorPolicy: "all" });
  const [wrong, right] = await client.batchRequests([{ document: INVALID }, { document: "{ eventCursor }" }]);
  assert.match(wrong.errors[0].message, /noSuchField/);
  assert.equal(typeof right.data.eventCursor, "string");
});
