// Bodies of callers who may not send any: a token that nobody made, or none.
import { setTimeout as sleep } from "node:timers/promises";
import { BAD_TOKEN, JSON_HEADERS, connection, countStatus, repeat, requestText, send, session, ask2 } from "./client.mjs";

const BODY = `{"query":"{ __typename }","variables":{"x":[${"[],".repeat(345_000)}[]]}}`;
const FLAGS = ["--anonymous", "none"];

async function refusals({ origin, tally }, callers, headers) {
  await Promise.all(repeat(callers, async () => {
    const socket = await connection(origin);
    const counted = countStatus(socket, tally);
    socket.write(requestText("POST", "/graphql", { ...JSON_HEADERS, ...headers }, BODY));
    await Promise.race([counted, sleep(20_000)]);
  }));
}

// All but the end of a body, for as long as the server waits.
async function unfinished({ origin, tally, hold }, callers, headers) {
  const text = requestText("POST", "/graphql", { ...JSON_HEADERS, ...headers }, BODY).slice(0, -2);
  await Promise.all(repeat(callers, async () => {
    const socket = await connection(origin);
    countStatus(socket, tally);
    await send(socket, text);
  }));
  await sleep(hold);
}

// All but the end of a body, on many streams of few connections.
async function unfinishedStreams({ origin, tally, hold }, sessions, streams, headers) {
  const part = Buffer.from(BODY.slice(0, -2));
  await Promise.all(repeat(sessions, async () => {
    const http2 = await session(origin);
    for (const _ of repeat(streams, () => 0)) {
      if (http2.destroyed) return;
      const stream = http2.request({ ":method": "POST", ":path": "/graphql", "content-type": "application/json", ...headers });
      stream.on("error", (error) => tally.add(error.code));
      stream.on("response", (response) => tally.add(response[":status"]));
      stream.write(part);
    }
  }));
  await sleep(hold + 3_000);
}

const attack = (name, run, open = false) =>
  ({ name: `refusals: ${name}`, shape: "small", flags: open ? [] : FLAGS, needsToken: !open, threaded: true, run });

export default [
  attack("60 bodies with a bad token", (on) => refusals(on, 60, BAD_TOKEN)),
  attack("600 bodies with a bad token", (on) => refusals(on, 600, BAD_TOKEN)),
  attack("600 bodies without a token", (on) => refusals(on, 600, {})),
  attack("600 bodies with a bad token over HTTP/2", async ({ origin, tally }) => {
    const all = await Promise.all(repeat(6, () => session(origin)));
    const asked = all.flatMap((http2) => repeat(100, () => ask2(http2, tally, { headers: BAD_TOKEN, body: BODY, read: true })));
    await Promise.race([Promise.all(asked), sleep(20_000)]);
  }),
  attack("600 unfinished bodies with a bad token", (on) => unfinished(on, 600, BAD_TOKEN)),
  attack("900 unfinished bodies of callers who may read", (on) => unfinished(on, 900, {}), true),
  attack("unfinished bodies on 2,000 streams of callers who may read", (on) => unfinishedStreams(on, 20, 100, {}), true),
];
