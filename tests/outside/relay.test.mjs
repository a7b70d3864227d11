// Relay: a project compiled by relay-compiler against schema.graphql and rendered by react-relay. Its documents are the
// server's trusted documents: each operation is sent by its id alone. A deferred fragment comes with the rest.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "graphql-ws";
import { Suspense, act, createElement as h } from "react";
import relay from "react-relay";
import { create } from "react-test-renderer";
import relayRuntime from "relay-runtime";
import WebSocket from "ws";
import { MUTATION, post } from "./resume.mjs";
import { TIMEOUT, start } from "./server.mjs";

const { RelayEnvironmentProvider, useFragment, useLazyLoadQuery, usePaginationFragment, useRefetchableFragment } = relay;
const { ConnectionHandler, Environment, Network, Observable, RecordSource, Store, commitMutation, requestSubscription } = relayRuntime;

// A module's name begins the names of what it defines.
const PROJECT = {
  App: `query AppQuery($name: String!, $step: Int!) {
      builder(name: $name) { id ...Builds_builder }
      step(stepid: $step) { ...State_step ...Links_step @defer }
    }`,
  Builds: `fragment Builds_builder on Builder
    @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
    @refetchable(queryName: "BuildsPaginationQuery") {
      builds(first: $count, after: $cursor) @connection(key: "Builds_builds") {
        edges { node { number steps { ...State_step } } }
      }
    }`,
  State: "fragment State_step on Step { name stateString }",
  Links: `fragment Links_step on Step
    @argumentDefinitions(numbered: { type: "Boolean", defaultValue: false })
    @refetchable(queryName: "LinksRefetchQuery") {
      urls { name url }
      number @include(if: $numbered)
    }`,
  Link: `mutation LinkMutation($step: Int!, $name: String!, $url: String!) {
      addStepURL(stepid: $step, name: $name, url: $url) { step { urls { name url } } }
    }`,
  Add: `mutation AddMutation($builder: Int!, $connections: [ID!]!) {
      addBuild(builderid: $builder) { build @appendNode(connections: $connections, edgeTypeName: "BuildEdge") { number steps { name } } }
    }`,
  Events: `subscription EventsSubscription($build: Int!) {
      stepEvents(where: { buildid: $build }) { kind step { stateString } }
    }`,
};

// Relay keeps what it has fetched for five minutes after its component has gone; the process need not.
const { setTimeout: startTimer } = globalThis;
globalThis.setTimeout = (run, wait, ...rest) => {
  const timer = startTimer(run, wait, ...rest);
  return wait > 2 * TIMEOUT ? timer.unref() : timer;
};
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
let dir, server, sockets, artifact, environment, rendered, builder, build, step;
const sent = [];

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "relay-test-"));
  mkdirSync(join(dir, "src"));
  copyFileSync(new URL("../../schema.graphql", import.meta.url), join(dir, "schema.graphql"));
  for (const [name, text] of Object.entries(PROJECT)) {
    writeFileSync(join(dir, "src", `${name}.js`), `import { graphql } from "relay-runtime";\ngraphql\`${text}\`;\n`);
  }
  writeFileSync(join(dir, "documents.json"), "{}");
  const persistConfig = { file: "documents.json", algorithm: "SHA256" };
  const config = { src: "src", schema: "schema.graphql", language: "javascript", eagerEsModules: false, persistConfig };
  writeFileSync(join(dir, "relay.config.json"), JSON.stringify(config));
  const require = createRequire(import.meta.url);
  await promisify(execFile)(require("relay-compiler"), ["relay.config.json"], { cwd: dir, timeout: TIMEOUT });
  artifact = (name) => require(join(dir, "src", "__generated__", `${name}.graphql.js`));

  server = await start(["--anonymous", "write", "--documents", join(dir, "documents.json")]);
  const write = (text) => post(server.origin, text);
  ({ findBuilder: builder } = await write('mutation { findBuilder(name: "relay") { builderid } }'));
  for (let n = 0; n < 5; n += 1) {
    const { addBuild } = await write(`mutation { addBuild(builderid: ${builder.builderid}) { build { buildid } } }`);
    build ??= addBuild.build;
    const { newStep } = await write(`mutation { newStep(buildid: ${addBuild.build.buildid}, name: "a") { step { stepid } } }`);
    step ??= newStep.step;
  }
  environment = new Environment({ network: network(), store: new Store(new RecordSource()) });
}, { timeout: 4 * TIMEOUT });
after(() => {
  sockets?.terminate();
  server?.cleanUp();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

function network() {
  sockets = createClient({ url: `${server.origin.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket });
  const send = async ({ id, name }, variables) => {
    sent.push(name);
    const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
    const body = JSON.stringify({ documentId: id, variables });
    const response = await fetch(`${server.origin}/graphql`, { method: "POST", headers, body });
    return response.json();
  };
  const listen = ({ id }, variables) => Observable.create((sink) => sockets.subscribe({ query: "", documentId: id, variables }, sink));
  return Network.create(send, listen);
}

function App() {
  const data = useLazyLoadQuery(artifact("AppQuery"), { name: "relay", step: step.stepid });
  return h("app", null, h(Builds, { builder: data.builder }), h(State, { step: data.step }), h(Links, { step: data.step }));
}

function Builds({ builder }) {
  const { data, loadNext, hasNext } = usePaginationFragment(artifact("Builds_builder"), builder);
  const { edges } = data.builds;
  return h("builds", { loadNext, hasNext, numbers: edges.map(({ node }) => node.number) },
    edges.flatMap(({ node }) => node.steps.map((step, n) => h(State, { step, key: `${node.number}.${n}` }))));
}

function State({ step }) {
  const { name, stateString } = useFragment(artifact("State_step"), step);
  return h("state", { name, stateString });
}

function Links({ step }) {
  const [{ urls, number }, refetch] = useRefetchableFragment(artifact("Links_step"), step);
  return h("links", { urls, number, refetch });
}

const shown = (type) => rendered.root.findByType(type).props;
// Lets React render what has changed until the condition holds.
async function eventually(condition, what) {
  const end = Date.now() + TIMEOUT;
  while (!condition()) {
    assert(Date.now() < end, `not in time: ${what}`);
    await act(() => sleep(10));
  }
}

test("it renders a query of fragments", async () => {
  await act(() => {
    rendered = create(h(RelayEnvironmentProvider, { environment }, h(Suspense, { fallback: "…" }, h(App))));
  });
  await eventually(() => rendered.root.findAllByType("app").length === 1, "the query's data");
  assert.deepEqual(shown("builds").numbers, [1, 2]);
  assert.equal(rendered.root.findAllByType("state").length, 3);
  assert.deepEqual(sent, ["AppQuery"]);
});

test("a connection goes on page by page, through node(id:)", async () => {
  for (const numbers of [[1, 2, 3, 4], [1, 2, 3, 4, 5]]) {
    assert.equal(shown("builds").hasNext, true);
    await act(() => shown("builds").loadNext(2));
    await eventually(() => shown("builds").numbers.length === numbers.length, "the page");
    assert.deepEqual(shown("builds").numbers, numbers);
  }
  assert.equal(shown("builds").hasNext, false);
  assert.deepEqual(sent.slice(1), ["BuildsPaginationQuery", "BuildsPaginationQuery"]);
});

test("a refetchable fragment is asked for anew, through node(id:)", async () => {
  assert.equal(shown("links").number, undefined);
  await act(() => {
    shown("links").refetch({ numbered: true });
  });
  await eventually(() => shown("links").number === 0, "the number");
  assert.equal(sent.at(-1), "LinksRefetchQuery");
});

const commit = (mutation, variables) => act(() => new Promise((resolve, reject) => {
  const onCompleted = (data, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve());
  commitMutation(environment, { mutation: artifact(mutation), variables, onCompleted, onError: reject });
}));

test("a mutation's payload updates the step that is shown", async () => {
  const url = "https://example.org/log";
  await commit("LinkMutation", { step: step.stepid, name: "log", url });
  assert.deepEqual(shown("links").urls, [{ name: "log", url }]);
});

test("a mutation appends its build to the connection", async () => {
  const { id } = environment.getStore().getSource().toJSON()[rendered.root.findByType(Builds).props.builder.__id];
  await commit("AddMutation", { builder: builder.builderid, connections: [ConnectionHandler.getConnectionID(id, "Builds_builds")] });
  assert.deepEqual(shown("builds").numbers, [1, 2, 3, 4, 5, 6]);
});

test("a subscription's events update the step that is shown, wherever it is shown", async () => {
  const kinds = [];
  let failure;
  const subscription = requestSubscription(environment, {
    subscription: artifact("EventsSubscription"),
    variables: { build: build.buildid },
    onNext: ({ stepEvents }) => kinds.push(stepEvents.kind),
    onError: (error) => (failure = error),
  });
  const states = () => rendered.root.findAllByType("state").filter(({ props }) => props.stateString === "live");
  try {
    // Until the subscription has begun, nobody hears of a change.
    while (!kinds.length && !failure) {
      await act(() => post(server.origin, MUTATION, { step: step.stepid, state: "live" }));
    }
    assert.equal(failure?.reason ?? failure, undefined);
    await eventually(() => states().length === 2, "the new state");
    assert.equal(kinds[0], "UPDATED");
  } finally {
    subscription.dispose();
  }
});
