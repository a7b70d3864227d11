// urql: its exchanges for persisted documents, retries, subscriptions, and the normalised, schema-aware cache.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { persistedExchange } from "@urql/exchange-persisted";
import { retryExchange } from "@urql/exchange-retry";
import { getIntrospectionQuery } from "graphql";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";
import { recordingFetch } from "./apollo.mjs";
import { startProvider } from "./provider.mjs";
import { EVENTS, INVALID, MUTATION, newBuild, post, resumes } from "./resume.mjs";
import { TIMEOUT, start, startServer } from "./server.mjs";

const OLDEST = "query Oldest($first: Int!) { builds(first: $first) { nodes { buildid } } }";
let server, build;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

function urql(exchanges, options) {
  const { fetch, requests } = recordingFetch();
  const url = `${server.origin}/graphql`;
  return { requests, client: new Client({ url, fetch, exchanges: [...exchanges, fetchExchange], ...options }) };
}

for (const [method, preferGetMethod] of [["POST", false], ["GET", "force"]]) {
  test(`a query by ${method}`, async () => {
    const { client, requests } = urql([], { preferGetMethod });
    const { data, error } = await client.query(OLDEST, { first: 1 });
    assert.equal(error, undefined, `${error}`);
    assert.equal(data.builds.nodes[0].buildid, build.buildid);
    assert.deepEqual(requests.map((request) => request.method), [method]);
  });
}

test("a document that is not valid is an error with its code", async () => {
  const { error } = await urql([]).client.query(INVALID, {});
  assert.equal(error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

for (const [method, preferGetForPersistedQueries] of [["POST", false], ["GET", "force"]]) {
  test(`persistedExchange over ${method}`, async () => {
    const text = `query Persisted${method}($first: Int!) { builds(first: $first) { nodes { buildid } } }`;
    const asked = [];
    for (let n = 0; n < 2; n += 1) {
      const { client, requests } = urql([persistedExchange({ preferGetForPersistedQueries })]);
      const { data, error } = await client.query(text, { first: 1 });
      assert.equal(error, undefined, `${error}`);
      assert.equal(data.builds.nodes.length, 1);
      asked.push(...requests);
    }
    assert.deepEqual(asked.map((request) => request.method), [method, method, method]);
    assert(!`${asked[2].url}${asked[2].body}`.includes("nodes"));
  });
}

// Without `retryIf` the exchange retries failed connections only: a body in JSON is no network error to urql.
const retries = {
  retryIf: ({ networkError, response }) => networkError || [429, 503].includes(response?.status),
  initialDelayMs: 1000,
  maxDelayMs: 1000,
  randomDelay: false,
  maxNumberAttempts: 20,
};

test("retryExchange retries after 429", async () => {
  const limited = await start(["--anonymous", "write", "--rate-points", "11", "--rate-points-per-second", "11"]);
  try {
    const { client, requests } = urql([retryExchange(retries)], { url: `${limited.origin}/graphql` });
    const answers = await Promise.all([10, 9].map((first) => client.query(OLDEST, { first })));
    for (const { data, error } of answers) assert.deepEqual(data?.builds, { nodes: [] }, `${error}`);
    assert(requests.some(({ status }) => status === 429));
  } finally {
    limited.cleanUp();
  }
});

test("retryExchange retries while the identity provider is away (503)", async () => {
  const provider = await startProvider();
  const trusting = await start(["--anonymous", "none", ...provider.flags]);
  try {
    const fetchOptions = { headers: { authorization: `Bearer ${provider.sign("buildbot:read")}` } };
    const { client, requests } = urql([retryExchange(retries)], { url: `${trusting.origin}/graphql`, fetchOptions });
    const asked = client.query("{ eventCursor }", {}).toPromise();
    await provider.once503(requests);
    provider.serveKeys();
    const { data, error } = await asked;
    assert.equal(typeof data?.eventCursor, "string", `${error}`);
  } finally {
    trusting.cleanUp();
    provider.close();
  }
});

// The cache knows the schema as the server tells it.
async function graphcache() {
  const schema = await post(server.origin, getIntrospectionQuery());
  const embedded = () => null;
  const types = ["PageInfo", "BuildEdge", "BuildConnection", "StepPayload"];
  const cache = cacheExchange({
    schema,
    keys: Object.fromEntries(types.map((type) => [type, embedded])),
    resolvers: { Query: { builds: relayPagination() } },
  });
  return urql([cache]);
}

test("graphcache: a mutation updates the object of its id, and a fragment on Node is matched by the schema", async () => {
  const { client, requests } = await graphcache();
  const { id } = (await client.query("query ($id: Int!) { step(stepid: $id) { id stateString } }", { id: build.stepid })).data.step;
  const node = gql`query ($id: ID!) { node(id: $id) { __typename id ...Node } }
    fragment Node on Node { ... on Step { stateString } ... on Build { buildid } }`;
  const first = await client.query(node, { id });
  assert.equal(first.error, undefined, `${first.error}`);
  assert.equal(first.data.node.__typename, "Step");
  await client.mutation(MUTATION.replace("step {", "step { id"), { step: build.stepid, state: "cached" });
  const before = requests.length;
  const { data } = await client.query(node, { id });
  assert.equal(data.node.stateString, "cached");
  assert.equal(requests.length, before);
});

test("graphcache: relayPagination joins the pages of a list", async () => {
  const all = [];
  for (let n = 0; n < 5; n += 1) all.push((await newBuild(server.origin)).buildid);
  const { client } = await graphcache();
  const query = gql`query ($ids: [Int!]!, $after: String) {
    builds(first: 2, after: $after, where: { buildid: { in: $ids } }) {
      edges { cursor node { id buildid } }
      pageInfo { endCursor hasNextPage hasPreviousPage startCursor }
    }
  }`;
  let joined, after;
  for (let pages = 0; pages < 3; pages += 1) {
    const { data, error } = await client.query(query, { ids: all, after });
    assert.equal(error, undefined, `${error}`);
    joined = data.builds;
    after = joined.pageInfo.endCursor;
  }
  assert.equal(joined.pageInfo.hasNextPage, false);
  assert.deepEqual(joined.edges.map((edge) => edge.node.buildid), all);
});

// What urql passes on, with variables that follow the events.
const operation = ({ query }, variables) => ({ query, variables });

for (const [name, connect] of [
  ["graphql-ws", (origin) => {
    const options = { webSocketImpl: WebSocket, retryAttempts: 100, retryWait: () => sleep(50), shouldRetry: () => true };
    return createWsClient({ url: `${origin.replace("http", "ws")}/graphql`, ...options });
  }],
  ["graphql-sse", (origin) => createSseClient({ url: `${origin}/graphql/stream`, retryAttempts: 100, retry: () => sleep(50) })],
]) {
  test(`subscriptionExchange over ${name} resumes with its cursor after cuts and after kill -9`, async () => {
    await resumes(({ origin, buildid, after, hear, fail }) => {
      const variables = { build: buildid, after };
      const connected = connect(origin);
      const exchange = subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe(sink) {
            let stopped = false, end;
            // graphql-sse does not retry a cut between two reads.
            const listen = () => {
              if (stopped) return;
              const error = (e) => (e.message === "terminated" ? setTimeout(listen, 50) : sink.error(e));
              end = connected.subscribe(operation(request, variables), { ...sink, next: (value) => sink.next(value), complete: () => sink.complete(), error });
            };
            listen();
            return {
              unsubscribe() {
                stopped = true;
                end();
              },
            };
          },
        }),
      });
      const client = new Client({ url: `${origin}/graphql`, exchanges: [exchange, fetchExchange] });
      const { unsubscribe } = client.subscription(EVENTS, variables).subscribe(({ data, error }) => {
        if (error) return fail(`${error}`);
        variables.after = data.stepEvents.cursor;
        hear(data.stepEvents);
      });
      return async () => {
        unsubscribe();
        await connected.dispose();
      };
    }, { cuts: 2, kills: 1 });
  });
}

test("fetchExchange resumes a subscription with its cursor after cuts and after kill -9", async () => {
  await resumes(({ origin, buildid, after, hear, fail }) => {
    const variables = { build: buildid, after };
    const client = new Client({ url: `${origin}/graphql`, exchanges: [fetchExchange], fetchSubscriptions: true });
    let stopped = false, running;
    const listen = () => {
      if (stopped) return;
      const next = ({ data, error }) => {
        // A connection that is cut is an error, after which the subscription has ended.
        if (error?.networkError) return setTimeout(listen, 50);
        if (error) return fail(`${error}`);
        variables.after = data.stepEvents.cursor;
        hear(data.stepEvents);
      };
      running = client.subscription(EVENTS, { ...variables }).subscribe(next);
    };
    listen();
    return () => {
      stopped = true;
      running.unsubscribe();
    };
  }, { cuts: 2, kills: 1 });
});
