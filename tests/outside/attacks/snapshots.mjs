// Snapshots and backfills of 48,000 steps with long texts, for clients that read and for clients that do not.
import { setTimeout as sleep } from "node:timers/promises";
import { JSON_HEADERS, ask, ask2, connection, countStatus, query, repeat, requestText, session, subscribe, webSocket } from "./client.mjs";
import { changeEverything } from "./database.mjs";

const CALLERS = 60;
// Each is another operation, so that none shares what another reads.
const snapshot = (i) => ({ query: `subscription { s${i}: stepEvents(snapshot: true) { step { stateString } } }` });
// The same operation for all.
const same = () => snapshot(0);

async function sockets({ origin, tally, hold }, operation, { reads, perSocket = 1 }) {
  await Promise.all(repeat(CALLERS / perSocket, async (i) => {
    const socket = await webSocket(origin, tally);
    if (!reads) socket?.pause();
    for (const n of repeat(perSocket, (n) => n)) socket?.send(subscribe(n, operation(i * perSocket + n)));
  }));
  await sleep(hold + 5_000);
}

async function streams({ origin, tally, hold }, operation, { reads }) {
  await Promise.all(repeat(CALLERS, async (i) => {
    const socket = await connection(origin);
    if (reads) countStatus(socket, tally);
    socket.write(requestText("POST", "/graphql", { ...JSON_HEADERS, Accept: "text/event-stream" }, JSON.stringify(operation(i))));
  }));
  await sleep(hold + 5_000);
}

// Takes the cursor, makes an event of each step, and asks for all of them.
async function backfills(on, run) {
  const { text } = await query(on.origin, { query: "{ eventCursor }" });
  const cursor = JSON.parse(text).data.eventCursor;
  changeEverything(on.file);
  await run(on, (i) => ({ query: `subscription { s${i}: stepEvents(after: "${cursor}") { step { stateString } } }` }));
}

const attack = (name, run, copies = false) => ({ name: `snapshots: ${name}`, shape: "long", copies, run });

export default [
  attack("WebSockets that read", (on) => sockets(on, snapshot, { reads: true })),
  attack("WebSockets that do not read", (on) => sockets(on, snapshot, { reads: false })),
  attack("WebSockets that do not read, all the same", (on) => sockets(on, same, { reads: false })),
  attack("one WebSocket that does not read", (on) => sockets(on, snapshot, { reads: false, perSocket: CALLERS })),
  attack("SSE that is read", (on) => streams(on, snapshot, { reads: true })),
  attack("SSE that is not read", (on) => streams(on, snapshot, { reads: false })),
  attack("SSE over HTTP/2 with a window of nothing", async ({ origin, tally, hold }) => {
    const http2 = await session(origin, { initialWindowSize: 0 });
    const headers = { accept: "text/event-stream" };
    for (const i of repeat(CALLERS, (i) => i)) ask2(http2, tally, { headers, body: JSON.stringify(snapshot(i)) });
    await sleep(hold + 5_000);
  }),
  attack("asked for and left at once, over and over", async ({ origin, tally, hold }) => {
    const end = Date.now() + hold + 2_000;
    const headers = { ...JSON_HEADERS, Accept: "text/event-stream" };
    await Promise.all(repeat(20, async (i) => {
      while (Date.now() < end) tally.add((await ask(origin, { headers, body: JSON.stringify(snapshot(i)), timeout: 50 })).status);
    }));
  }),
  attack("backfills, WebSockets that do not read", (on) => backfills(on, (on, of) => sockets(on, of, { reads: false })), true),
  attack("backfills, SSE that is not read", (on) => backfills(on, (on, of) => streams(on, of, { reads: false })), true),
];
