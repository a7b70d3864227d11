// One address takes every subscription that there is. Another's must begin, which the honest caller tries.
import { setTimeout as sleep } from "node:timers/promises";
import { JSON_HEADERS, ask2, connection, countStatus, repeat, requestText, session, subscribe, webSocket } from "./client.mjs";

const operation = (i) => ({ query: `subscription { stepEvents(where: { stepid: ${i + 1} }) { kind } }` });

async function sockets({ origin, tally, hold }, count, perSocket, of) {
  await Promise.all(repeat(count, async (i) => {
    const socket = await webSocket(origin, tally);
    if (!socket) return;
    for (const n of repeat(perSocket, (n) => n)) socket.send(subscribe(n, of(i * perSocket + n)));
    const ponged = new Promise((done) => {
      socket.on("message", (bytes) => bytes.includes('"pong"') && done());
      socket.once("close", done);
    });
    socket.send('{"type":"ping"}');
    await Promise.race([ponged, sleep(20_000)]);
  }));
  await sleep(hold);
}

const attack = (name, run) => ({ name: `subscriptions: ${name}`, shape: "small", run });

export default [
  attack("20,000 of 200 WebSockets", (on) => sockets(on, 200, 100, operation)),
  attack("20,000 of 200 WebSockets, all the same", (on) => sockets(on, 200, 100, () => operation(0))),
  attack("20,000 of SSE over HTTP/2", async ({ origin, tally, hold }) => {
    const headers = { accept: "text/event-stream" };
    const all = await Promise.all(repeat(200, () => session(origin)));
    const asked = all.flatMap((http2, i) =>
      repeat(100, (n) => ask2(http2, tally, { headers, body: JSON.stringify(operation(i * 100 + n)) })));
    await Promise.race([Promise.all(asked), sleep(20_000)]);
    await sleep(hold);
  }),
  attack("900 of SSE over HTTP/1.1", async ({ origin, tally, hold }) => {
    await Promise.all(repeat(900, async (i) => {
      const socket = await connection(origin);
      countStatus(socket, tally);
      socket.write(requestText("POST", "/graphql", { ...JSON_HEADERS, Accept: "text/event-stream" }, JSON.stringify(operation(i))));
    }));
    await sleep(hold);
  }),
];
