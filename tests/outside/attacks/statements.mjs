// Statements that cost few points and much time: conditions on every row of a large table.
import { setTimeout as sleep } from "node:timers/promises";
import { ask, connection, query, repeat, requestText, JSON_HEADERS, session, ask2, subscribe, webSocket } from "./client.mjs";

const CONDITIONS = 450;
const any = (field, of, length) => ({ or: repeat(length, (i) => ({ [field]: { contains: `${of}x${i}` } })) });
// One row at most, so one point or two. Each is another document and another statement.
const steps = (fields, w) => ({ query: `query($w: StepFilter) { steps(first: 1, where: $w) { ${fields} } }`, variables: { w } });
const one = (i) => steps("nodes { stepid }", any("stateString", i, CONDITIONS));
const count = (i) => steps("totalCount", any("stateString", i, CONDITIONS));
// The conditions of a request are bounded together.
const counts = (i) => ({
  query: `query($w: StepFilter!) { ${repeat(20, (n) => `c${n}: steps(where: { and: [$w, { number: { ne: ${n} } }] }) { totalCount }`).join(" ")} }`,
  variables: { w: any("name", i, 20) },
});
const unindexed = (i) => ({ query: `{ steps(last: 1, where: { stateString: { ne: "${i}" } }, orderBy: [{ field: NAME, direction: DESC }]) { nodes { stepid } } }` });

async function wait({ origin, tally, hold }, callers, operation) {
  const end = Date.now() + hold + 3_000;
  await Promise.all(repeat(callers, async (i) => {
    for (let n = 0; Date.now() < end; n++) tally.answer(await query(origin, operation(i + n * callers)));
  }));
}

// Sends and hangs up, over and over.
async function leave({ origin, tally, hold }, callers, operation) {
  const end = Date.now() + hold + 3_000;
  await Promise.all(repeat(callers, async (i) => {
    for (let n = 0; Date.now() < end; n++) {
      const socket = await connection(origin);
      socket.write(requestText("POST", "/graphql", JSON_HEADERS, JSON.stringify(operation(i + n * callers))));
      await sleep(100);
      socket.destroy();
      tally.add("left");
    }
  }));
}

async function rest({ origin, tally, hold }, callers, path) {
  const end = Date.now() + hold + 3_000;
  await Promise.all(repeat(callers, async (i) => {
    for (let n = 0; Date.now() < end; n++) tally.answer(await ask(origin, { path: path(i + n * callers) }));
  }));
}
const builds = (i) => `/api/v2/builds?limit=1&${repeat(100, (n) => `state_string__contains=${i}x${n}`).join("&")}`;

const attack = (name, run) => ({ name: `statements: ${name}`, shape: "large", run });

export default [
  attack("24 that wait", (on) => wait(on, 24, one)),
  attack("100 that wait", (on) => wait(on, 100, one)),
  attack("24 that leave", (on) => leave(on, 24, one)),
  attack("100 that leave", (on) => leave(on, 100, one)),
  attack("24 counts", (on) => wait(on, 24, count)),
  attack("24 of 20 counts each", (on) => wait(on, 24, counts)),
  attack("24 orders without an index", (on) => wait(on, 24, unindexed)),
  attack("24 batches of 2", ({ origin, ...on }) => wait({ origin, ...on }, 24, (i) => [one(2 * i), one(2 * i + 1)])),
  attack("100 operations of one WebSocket", async ({ origin, tally, hold }) => {
    const socket = await webSocket(origin, tally);
    for (const i of repeat(100, (i) => i)) socket.send(subscribe(i, one(i)));
    await sleep(hold + 3_000);
  }),
  attack("100 WebSockets that leave", async ({ origin, tally, hold }) => {
    const end = Date.now() + hold + 3_000;
    await Promise.all(repeat(100, async (i) => {
      for (let n = 0; Date.now() < end; n++) {
        const socket = await webSocket(origin, tally);
        socket?.send(subscribe(1, one(i + n * 100)));
        await sleep(100);
        socket?.terminate();
      }
    }));
  }),
  attack("100 streams of HTTP/2 that are reset", async ({ origin, tally, hold }) => {
    const end = Date.now() + hold + 3_000;
    for (let n = 0; Date.now() < end; n++) {
      const http2 = await session(origin);
      for (const i of repeat(100, (i) => i)) ask2(http2, tally, { body: JSON.stringify(one(n * 100 + i)) });
      await sleep(100);
      http2.destroy();
    }
  }),
  attack("24 filters of REST", (on) => rest(on, 24, builds)),
];
