// Answers as large as the limits allow, which nobody reads.
import { setTimeout as sleep } from "node:timers/promises";
import { JSON_HEADERS, ask2, connection, countStatus, loop, repeat, requestText, session, subscribe, webSocket } from "./client.mjs";

const CALLERS = 60;
// 20,000 objects with 1,500 characters each.
const objects = (i) => ({ query: `{ a${i}: builds(first: 500) { nodes { steps(limit: 38) { stateString } } } }` });
// 500 objects whose text is asked for 600 times each: few points, as many values as there may be.
const aliases = (i) =>
  ({ query: `{ a${i}: steps(first: 500) { nodes { ${repeat(600, (n) => `s${n}: stateString`).join(" ")} } } }` });
// 12,500 objects under names of 3,700 characters: 93 KB that ask for a gigabyte.
const LONG = "x".repeat(3_700);
const names = (i) => {
  const fields = repeat(25, (n) => `${LONG}${n}: number`).join(" ");
  return { query: `{ a${i}: steps(first: 500) { nodes { build { steps(limit: 5) { build { steps(limit: 5) { ${fields} } } } } } } }` };
};
// 4 MB of texts in each operation of a batch that costs as much as it may.
const texts = () => repeat(19, () => ({ query: "{ build(buildid: 3) { steps(limit: 1000) { stateString } } }" }));
const page = (i) => ({ query: `{ a${i}: steps(first: 500) { nodes { stateString } } }` });

async function posts({ origin, tally, hold }, operation, { read = false, headers = {}, times = 1 } = {}) {
  await Promise.all(repeat(CALLERS, async (i) => {
    const socket = await connection(origin);
    socket.on("close", () => tally.add("closed"));
    if (read) countStatus(socket, tally);
    const request = (n) => requestText("POST", "/graphql", { ...JSON_HEADERS, ...headers }, JSON.stringify(operation(i * times + n)));
    socket.write(repeat(times, request).join(""));
  }));
  await sleep(hold + 7_000);
}

// Requests of REST for this path, of which nothing is read.
async function gets({ origin, tally, hold }, path, times) {
  await Promise.all(repeat(CALLERS, async () => {
    const socket = await connection(origin);
    socket.on("close", () => tally.add("closed"));
    socket.write(repeat(times, () => requestText("GET", path, {})).join(""));
  }));
  await sleep(hold + 5_000);
}

const attack = (name, run, shape = "long") => ({ name: `unread answers: ${name}`, shape, run });

export default [
  attack("20,000 objects", (on) => posts(on, objects)),
  attack("500 objects, 600 aliases of a text", (on) => posts(on, aliases)),
  attack("500 objects, 600 aliases of a text, which are read", (on) => posts(on, aliases, { read: true })),
  attack("long names of fields", (on) => posts(on, names), "small"),
  attack("batches of long texts", (on) => posts(on, texts), "texts"),
  attack("escaped texts", (on) => posts(on, () => ({ query: "{ steps(first: 500) { nodes { stateString } } }" })), "escaped"),
  attack("20 requests of 500 objects each, pipelined", (on) => posts(on, page, { times: 20 })),
  attack("20,000 objects in gzip", (on) => posts(on, objects, { headers: { "Accept-Encoding": "gzip" } })),
  attack("20,000 objects in a batch of one", (on) => posts(on, (i) => [objects(i)])),
  attack("HTTP/2 with a window of nothing", async ({ origin, tally, hold }) => {
    const all = await Promise.all(repeat(20, () => session(origin, { initialWindowSize: 0 })));
    for (const [s, http2] of all.entries()) {
      for (const n of repeat(100, (n) => n)) ask2(http2, tally, { body: JSON.stringify(page(s * 100 + n)) });
    }
    await sleep(hold + 5_000);
  }),
  attack("files over HTTP/2 with a window of nothing", async ({ origin, tally, hold }) => {
    const all = await Promise.all(repeat(50, () => session(origin, { initialWindowSize: 0 })));
    const headers = { ":path": "/graphiql/graphiql.min.js" };
    for (const http2 of all) for (const _ of repeat(100, () => 0)) ask2(http2, tally, { headers });
    await sleep(hold + 3_000);
  }),
  attack("operations of WebSockets", async ({ origin, tally, hold }) => {
    await Promise.all(repeat(CALLERS, async (i) => {
      const socket = await webSocket(origin, tally);
      socket?.pause();
      for (const n of repeat(20, (n) => n)) socket?.send(subscribe(n, page(i * 20 + n)));
    }));
    await sleep(hold + 5_000);
  }),
  attack("REST", (on) => gets(on, "/api/v2/builds?limit=1200", 20)),
  attack("REST of 10,000 long texts", (on) => gets(on, "/api/v2/builds/1/steps?limit=10000", 1), "texts"),
  attack("REST of 6,000 long texts", (on) => gets(on, "/api/v2/builds/1/steps?limit=6000", 1), "texts"),
  attack("REST of escaped texts", (on) => gets(on, "/api/v2/builds/1/steps?limit=300", 1), "escaped"),
  attack("gzip, which is read", ({ origin, tally, hold }) =>
    loop(origin, tally, 16, hold + 2_000, (i) =>
      ({ headers: { ...JSON_HEADERS, "Accept-Encoding": "gzip" }, body: JSON.stringify(page(i)) }))),
];
