// What every client must manage: its connection is cut and the server is killed while steps change, it resumes from its
// last cursor, and in the end it has received each acknowledged change once, in order.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { TIMEOUT, startServer } from "./server.mjs";

export const EVENTS = `subscription Events($build: Int!, $after: EventCursor) {
  stepEvents(where: { buildid: $build }, after: $after) { cursor step { stateString } }
}`;
export const QUERY = "query Builds($last: Int!) { builds(last: $last) { nodes { buildid } } }";
export const MUTATION = `mutation Say($step: Int!, $state: String!) {
  setStepStateString(stepid: $step, stateString: $state) { cursor step { stateString } }
}`;
export const INVALID = "{ noSuchField }";

// The data of an operation over plain HTTP.
export async function post(origin, query, variables) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${origin}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

// A build with one step, and the cursor after that step's event.
export async function newBuild(origin) {
  const { findBuilder: { builderid } } = await post(origin, 'mutation { findBuilder(name: "outside") { builderid } }');
  const { addBuild: { build: { buildid } } } = await post(origin, `mutation { addBuild(builderid: ${builderid}) { build { buildid } } }`);
  const { newStep: { cursor, step: { stepid } } } = await post(origin, `mutation { newStep(buildid: ${buildid}, name: "a") { cursor step { stepid } } }`);
  return { buildid, stepid, after: cursor };
}

// Waits until the condition is true.
export async function until(condition, what) {
  const end = Date.now() + TIMEOUT;
  while (!condition()) {
    assert(Date.now() < end, `not in time: ${what()}`);
    await sleep(5);
  }
}

// Forwards connections until it cuts them.
async function startProxy(target) {
  const sockets = new Set();
  const proxy = {
    count: 0,
    cut: () => sockets.forEach((socket) => socket.resetAndDestroy()),
    close() {
      server.close();
      proxy.cut();
    },
  };
  const server = createServer((client) => {
    proxy.count += 1;
    const upstream = connect(new URL(target).port, "127.0.0.1");
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.origin = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}

// `listen({ origin, buildid, after, hear, fail })` starts a client that passes each event to `hear`, and returns a
// function that stops it. Its connection is cut and the server killed as often as given.
export async function resumes(listen, { cuts = 4, kills = 2 } = {}) {
  const server = await startServer();
  const proxy = await startProxy(server.origin);
  let stop, writer;
  let writing = true;
  try {
    const { buildid, stepid, after } = await newBuild(server.origin);
    const heard = [];
    let failure;
    stop = await listen({
      origin: proxy.origin,
      buildid,
      after,
      hear: ({ cursor, step }) => heard.push({ cursor, state: step.stateString }),
      fail: (why) => (failure ??= why),
    });

    const acknowledged = [];
    // A write in flight when the server died may or may not have happened.
    const unknown = new Set();
    writer = (async () => {
      for (let n = 0; writing; n += 1) {
        const state = `state ${n}`;
        try {
          const { setStepStateString: { cursor } } = await post(server.origin, MUTATION, { step: stepid, state });
          acknowledged.push({ cursor, state });
        } catch {
          unknown.add(state);
          await sleep(20);
        }
        await sleep(2);
      }
    })();
    const tell = () => `${heard.length} of ${acknowledged.length} heard, ${proxy.count} connections, failure: ${failure}`;
    const more = async () => {
      const before = heard.length;
      await until(() => failure || heard.length >= before + 20, tell);
      assert.equal(failure, undefined, tell());
    };
    for (const disturb of [...Array(cuts).fill(proxy.cut), ...Array(kills).fill(server.restart)]) {
      await more();
      const before = proxy.count;
      await disturb();
      await until(() => failure || proxy.count > before, tell);
    }
    await more();
    writing = false;
    await writer;
    const last = acknowledged.at(-1).cursor;
    await until(() => failure || heard.at(-1).cursor >= last, tell);
    // An event delivered twice would arrive now.
    await sleep(200);
    assert.deepEqual(heard.filter(({ state }) => !unknown.has(state)), acknowledged);
    assert.equal(new Set(heard.map(({ cursor }) => cursor)).size, heard.length);
  } finally {
    writing = false;
    await writer;
    await stop?.();
    proxy.close();
    server.cleanUp();
  }
}
