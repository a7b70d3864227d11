// Apollo Client 3 and 4 over HTTP: POST, GET, batches, persisted queries, retries and the normalised cache.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { VERSIONS, apolloClient, recordingFetch, sha256 } from "./apollo.mjs";
import { startProvider } from "./provider.mjs";
import { INVALID, MUTATION, newBuild } from "./resume.mjs";
import { TIMEOUT, start, startServer } from "./server.mjs";

const OLDEST = "query Oldest($first: Int!) { builds(first: $first) { nodes { buildid } } }";
let server, build;

// Apollo Client asks for every object's type.
const hidden = (key, value) => (key === "__typename" ? undefined : value);
const withoutTypenames = (data) => JSON.parse(JSON.stringify(data, hidden));

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

// A client that waits as long as the response says, whatever the error is called.
function retrying(apollo, uri, headers) {
  const { fetch, requests } = recordingFetch();
  const delay = (count, operation, error) => 1000 * Number(error.response.headers.get("retry-after") ?? 1);
  const attempts = { max: 20, retryIf: (error) => [429, 503].includes(error?.statusCode) };
  const retry = new apollo.RetryLink({ delay, attempts });
  return { requests, client: apolloClient(apollo, retry.concat(new apollo.HttpLink({ uri, fetch, headers }))) };
}

for (const apollo of VERSIONS) {
  const { BatchHttpLink, HttpLink, gql, name, persistedQueryLink, relayStylePagination } = apollo;
  const query = (text) => ({ query: gql(text), variables: { first: 1 }, fetchPolicy: "no-cache" });
  const oldest = () => ({ builds: { nodes: [{ buildid: build.buildid }] } });
  const link = (options) => {
    const { fetch, requests } = recordingFetch();
    return { requests, link: new HttpLink({ uri: `${server.origin}/graphql`, fetch, ...options }) };
  };

  for (const [method, options] of [["POST", {}], ["GET", { useGETForQueries: true }]]) {
    test(`${name}: a query by ${method}`, async () => {
      const { link: http, requests } = link(options);
      const { data } = await apolloClient(apollo, http).query(query(OLDEST));
      assert.deepEqual(withoutTypenames(data), oldest());
      assert.deepEqual(requests.map((request) => request.method), [method]);
    });
  }

  test(`${name}: a document that is not valid is an error with its code`, async () => {
    const client = apolloClient(apollo, link().link);
    const error = await client.query({ query: gql(INVALID) }).then(() => assert.fail("no error"), (e) => e);
    const [first] = error.graphQLErrors ?? error.errors;
    assert.equal(first.extensions.code, "GRAPHQL_VALIDATION_FAILED");
  });

  test(`${name}: a mutation updates the object of its id in the cache`, async () => {
    const { link: http, requests } = link();
    const client = apolloClient(apollo, http);
    const step = { query: gql`query ($id: Int!) { step(stepid: $id) { id stateString } }`, variables: { id: build.stepid } };
    await client.query(step);
    const mutation = gql(MUTATION.replace("step {", "step { id"));
    const state = `by ${name}`;
    await client.mutate({ mutation, variables: { step: build.stepid, state } });
    const { data } = await client.query(step);
    assert.equal(data.step.stateString, state);
    assert.equal(requests.length, 2);
  });

  test(`${name}: relayStylePagination joins the pages of a list`, async () => {
    const all = [];
    for (let n = 0; n < 5; n += 1) all.push((await newBuild(server.origin)).buildid);
    const client = apolloClient(apollo, link().link, {
      typePolicies: { Query: { fields: { builds: relayStylePagination(["where"]) } } },
    });
    const options = {
      query: gql`query ($ids: [Int!]!, $after: String) {
        builds(first: 2, after: $after, where: { buildid: { in: $ids } }) {
          edges { cursor node { id buildid } }
          pageInfo { endCursor hasNextPage hasPreviousPage startCursor }
        }
      }`,
      variables: { ids: all },
    };
    const observed = client.watchQuery(options);
    let subscription;
    try {
      let data = await new Promise((resolve, reject) => {
        subscription = observed.subscribe({ next: (result) => result.data && resolve(result.data), error: reject });
      });
      let pages = 1;
      while (data.builds.pageInfo.hasNextPage && pages < 9) {
        await observed.fetchMore({ variables: { after: data.builds.pageInfo.endCursor } });
        data = client.readQuery(options);
        pages += 1;
      }
      assert.equal(pages, 3);
      assert.deepEqual(data.builds.edges.map(({ node }) => node.buildid), all);
    } finally {
      subscription.unsubscribe();
    }
  });

  test(`${name}: BatchHttpLink sends several operations as one, and an error stays with its own`, async () => {
    const { fetch, requests } = recordingFetch();
    const batch = new BatchHttpLink({ uri: `${server.origin}/graphql`, fetch, batchInterval: 20 });
    const client = apolloClient(apollo, batch);
    const [first, wrong, last] = await Promise.allSettled([OLDEST, INVALID, "query Cursor { eventCursor }"].map((text) => {
      return client.query({ ...query(text), errorPolicy: "all" });
    }));
    assert.equal(requests.length, 1);
    assert.equal(JSON.parse(requests[0].body).length, 3);
    assert(first.value?.data, `${first.reason ?? first.value?.error}`);
    assert.deepEqual(withoutTypenames(first.value.data), oldest());
    assert.match(`${wrong.value?.error ?? wrong.value?.errors?.[0].message}`, /noSuchField/);
    assert.equal(typeof last.value.data.eventCursor, "string");
  });

  for (const useGETForHashedQueries of [false, true]) {
    test(`${name}: persisted queries over ${useGETForHashedQueries ? "GET" : "POST"}`, async () => {
      const { link: http, requests } = link();
      const persisted = persistedQueryLink({ sha256, useGETForHashedQueries });
      // A document that nobody has sent before.
      const text = OLDEST.replace("Oldest", `Persisted${name.at(-1)}${useGETForHashedQueries}`);
      for (let n = 0; n < 2; n += 1) {
        const { data } = await apolloClient(apollo, persisted.concat(http)).query(query(text));
        assert.equal(data.builds.nodes.length, 1);
      }
      const hashed = useGETForHashedQueries ? "GET" : "POST";
      assert.deepEqual(requests.map((request) => request.method), [hashed, "POST", hashed]);
      assert(!`${requests[2].url}${requests[2].body}`.includes("nodes"));
    });
  }

  test(`${name}: @defer is answered whole`, async () => {
    for (const incrementalHandler of apollo.incrementalHandlers) {
      const client = apolloClient(apollo, link().link, { incrementalHandler });
      const { data } = await client.query({
        query: gql`query ($id: Int!) {
          step(stepid: $id) { id name ... @defer(label: "later") { build { id buildid } } ...Number @defer }
        }
        fragment Number on Step { number }`,
        variables: { id: build.stepid },
      });
      assert.equal(data.step.name, "a");
      assert.equal(data.step.build.buildid, build.buildid);
      assert.equal(data.step.number, 0);
    }
  });

  test(`${name}: RetryLink waits after 429 and then succeeds`, async () => {
    const limited = await start(["--anonymous", "write", "--rate-points", "11", "--rate-points-per-second", "11"]);
    try {
      const { client, requests } = retrying(apollo, `${limited.origin}/graphql`);
      const query = gql("{ builds(first: 10) { nodes { buildid } } }");
      const ten = { query, fetchPolicy: "no-cache", context: { queryDeduplication: false } };
      const answers = await Promise.all([1, 2].map(() => client.query(ten)));
      for (const { data } of answers) assert.deepEqual(withoutTypenames(data), { builds: { nodes: [] } });
      assert.equal(requests.filter(({ status }) => status === 200).length, 2);
      assert(requests.some(({ status }) => status === 429));
    } finally {
      limited.cleanUp();
    }
  });
}

test("RetryLink of both versions retries while the identity provider is away (503)", async () => {
  const provider = await startProvider();
  const trusting = await start(["--anonymous", "none", ...provider.flags]);
  try {
    const headers = { authorization: `Bearer ${provider.sign("buildbot:read")}` };
    const answers = VERSIONS.map(async (apollo) => {
      const { client, requests } = retrying(apollo, `${trusting.origin}/graphql`, headers);
      const asked = client.query({ query: apollo.gql("{ eventCursor }") });
      await Promise.race([provider.once503(requests), asked]);
      return { asked, requests };
    });
    await Promise.all(answers);
    provider.serveKeys();
    for (const answer of answers) {
      const { asked, requests } = await answer;
      assert.equal(typeof (await asked).data.eventCursor, "string");
      assert.deepEqual([requests[0].status, requests.at(-1).status], [503, 200]);
    }
  } finally {
    trusting.cleanUp();
    provider.close();
  }
});
