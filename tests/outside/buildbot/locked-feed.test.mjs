// Somebody locks the feed's tables for eight seconds, longer than a subscription may be out of date. Clients come back
// by their own retries, and in the end each has received every change once.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client as UrqlClient, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import { createClient } from "graphql-ws";
import { SubscriptionClient } from "subscriptions-transport-ws";
import WebSocket from "ws";
import { VERSIONS, apolloClient } from "../apollo.mjs";
import { EVENTS, newBuild, post, until } from "../resume.mjs";
import { launch } from "../server.mjs";

const SECONDS = 8;
const CHANGE = `mutation ($step: Int!, $state: String!) {
  setStepStateString(stepid: $step, stateString: $state) { cursor }
}`;

async function psql(url, ...commands) {
  const child = spawn("psql", ["-q", "-v", "ON_ERROR_STOP=1", url, ...commands.flatMap((sql) => ["-c", sql])], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  assert.equal(code, 0, commands.join("; "));
}

const socket = (origin) => createClient({
  url: `${origin.replace("http", "ws")}/graphql`,
  webSocketImpl: WebSocket,
  shouldRetry: () => true,
});

// Each starts a client that passes on what it hears, and returns a function that stops it.
const CLIENTS = {
  "graphql-ws": ({ origin, variables, hear, fail }) => {
    const client = socket(origin);
    client.subscribe({ query: EVENTS, variables }, {
      next: ({ data, errors }) => (errors ? fail(errors) : hear(data.stepEvents)),
      error: fail,
      complete: () => fail("complete"),
    });
    return () => client.dispose();
  },
  "graphql-ws, as in README": ({ origin, variables, hear, fail }) => {
    const client = socket(origin);
    (async () => {
      for await (const { data } of client.iterate({ query: EVENTS, variables })) hear(data.stepEvents);
    })().catch(fail);
    return () => client.dispose();
  },
  "graphql-sse": ({ origin, variables, hear, fail }) => {
    const client = createSseClient({ url: `${origin}/graphql/stream` });
    client.subscribe({ query: EVENTS, variables }, {
      // An interruption is told, and then retried.
      next: ({ data, errors }) => (data ? hear(data.stepEvents) : assert.equal(errors[0].extensions.code, "UNAVAILABLE")),
      error: fail,
      complete: () => fail("complete"),
    });
    return () => client.dispose();
  },
  "urql over graphql-ws": ({ origin, variables, hear, fail }) => {
    const client = socket(origin);
    const forwardSubscription = ({ query }) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, variables }, sink) }),
    });
    const urql = new UrqlClient({ url: `${origin}/graphql`, exchanges: [subscriptionExchange({ forwardSubscription }), fetchExchange] });
    urql.subscription(EVENTS, variables).subscribe(({ data, error }) => (error ? fail(error) : hear(data.stepEvents)));
    return () => client.dispose();
  },
  "subscriptions-transport-ws": ({ origin, variables, hear, fail }) => {
    const client = new SubscriptionClient(`${origin.replace("http", "ws")}/graphql`, { reconnect: true }, WebSocket);
    client.request({ query: EVENTS, variables }).subscribe({
      next: ({ data, errors }) => (errors ? fail(errors) : hear(data.stepEvents)),
      error: fail,
      complete: () => fail("complete"),
    });
    return () => client.close();
  },
  gql: ({ origin, variables, hear, fail }) => {
    const script = new URL("../gql_client.py", import.meta.url).pathname;
    const address = `${origin.replace("http", "ws")}/graphql`;
    const args = [script, "listen", "graphql-transport-ws", address, variables.build, variables.after];
    const child = spawn(process.env.GQL_PYTHON, args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (line) => hear(JSON.parse(line)));
    child.on("exit", (code) => code === null || fail(`it ended with ${code}`));
    return () => child.kill("SIGKILL");
  },
};

for (const apollo of VERSIONS) {
  const { ApolloLink, GraphQLWsLink, gql, name } = apollo;
  CLIENTS[`${name} over graphql-ws`] = ({ origin, variables, hear, fail }) => {
    const client = socket(origin);
    // The link copies the variables, and the socket's client sends this object again.
    const share = new ApolloLink((operation, forward) => {
      operation.variables = variables;
      return forward(operation);
    });
    const link = share.concat(new GraphQLWsLink(client));
    apolloClient(apollo, link).subscribe({ query: gql(EVENTS), variables }).subscribe({
      next: ({ data, error, errors }) => (data ? hear(data.stepEvents) : fail(error ?? errors)),
      error: fail,
    });
    return () => client.dispose();
  };
}

test("all clients hear everything after the feed was locked", async () => {
  const dir = mkdtempSync(join(tmpdir(), "outside-test-"));
  const base = process.env.POSTGRES_URL;
  assert(base, "POSTGRES_URL must name a PostgreSQL server");
  const name = `locked_${process.pid}`;
  await psql(`${base}/postgres`, `CREATE DATABASE ${name}`);
  const url = `${base}/${name}`;
  const { child, origin } = await launch(dir, "127.0.0.1:0", ["--database-url", url, "--anonymous", "write"]);
  const stops = [];
  try {
    const { buildid, stepid, after } = await newBuild(origin);
    const heard = {}, failures = {};
    for (const [client, listen] of Object.entries(CLIENTS)) {
      const variables = { build: buildid, after };
      heard[client] = [];
      stops.push(listen({
        origin,
        variables,
        hear: ({ cursor, step }) => {
          variables.after = cursor;
          heard[client].push(step.stateString);
        },
        fail: (why) => (failures[client] ??= `${why?.code} ${why?.reason} ${why?.stack ?? JSON.stringify(why)}`),
      }));
    }
    const all = (states) => until(
      () => Object.keys(failures).length > 0 || Object.values(heard).every((states_) => states_.length >= states.length),
      () => JSON.stringify(heard),
    );
    await post(origin, CHANGE, { step: stepid, state: "before" });
    await all(["before"]);
    const locked = psql(url, `BEGIN; LOCK TABLE graphql_feed, graphql_events; SELECT pg_sleep(${SECONDS}); COMMIT`);
    await locked;
    const states = ["before"];
    for (let n = 0; n < 20; n += 1) {
      states.push(`after ${n}`);
      await post(origin, CHANGE, { step: stepid, state: states.at(-1) });
    }
    await all(states);
    // An event delivered twice would arrive now.
    await sleep(200);
    assert.deepEqual(failures, {});
    for (const [client, received] of Object.entries(heard)) assert.deepEqual(received, states, client);
  } finally {
    await Promise.all(stops.map((stop) => stop()));
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
});
