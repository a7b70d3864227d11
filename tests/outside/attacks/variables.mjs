// JSON that nothing needs: variables that no operation declares, of every shape, wherever JSON is read.
import { setTimeout as sleep } from "node:timers/promises";
import {
  JSON_HEADERS, connection, countMessages, countStatus, frame, rawWebSocket, repeat, requestText, send, sendTogether, subscribe,
} from "./client.mjs";

// Each is another operation, so that none shares what another holds.
const events = (i) => `subscription { e${i}: stepEvents { kind } }`;
const typename = () => "{ __typename }";
// Below the default of --max-body-bytes and --max-message-bytes.
const SIZE = 1_040_000;
const CALLERS = 60;

const fill = (unit, size) => unit.repeat(Math.floor(size / unit.length)).slice(0, -1);
const objects = (size) => `{${repeat(Math.floor(size / 11), (i) => `"${i.toString(36).padStart(5, "0")}":{}`).join()}}`;
const DEEP = 60;
const SHAPES = {
  strings: (size) => `"${"a".repeat(size)}"`,
  "small strings": (size) => `[${fill('"",', size)}]`,
  arrays: (size) => `[${fill("[],", size)}]`,
  "nested arrays": (size) => `[${fill(`${"[".repeat(DEEP)}${"]".repeat(DEEP)},`, size)}]`,
  numbers: (size) => `[${fill("1,", size)}]`,
  objects,
  "arrays of objects": (size) => `[${fill('{"":0},', size)}]`,
  escapes: (size) => `"${"\\u0001".repeat(size / 6)}"`,
};
// The request of each caller.
function requests(query, member, shape, size = SIZE) {
  const json = SHAPES[shape](size);
  return (i) => `{"query":"${query(i)}","${member}":{"x":${json}}}`;
}

async function sockets({ origin, tally, hold }, message, init = true) {
  const all = await Promise.all(repeat(CALLERS, () => rawWebSocket(origin)));
  for (const socket of all) {
    countMessages(socket, tally);
    if (init) await send(socket, frame(1, true, Buffer.from('{"type":"connection_init"}')));
  }
  await sendTogether(all, repeat(CALLERS, (i) => frame(1, true, Buffer.from(message(i)))));
  await sleep(hold + 2_000);
}

const subscriptions = (on, of) => sockets(on, (i) => subscribe(1, of(i)));

async function posts({ origin, tally }, of, headers = {}) {
  for (const _ of repeat(3, () => 0)) {
    const all = await Promise.all(repeat(CALLERS, () => connection(origin)));
    const counted = all.map((socket) => countStatus(socket, tally));
    const text = (i) => Buffer.from(requestText("POST", "/graphql", { ...JSON_HEADERS, ...headers }, of(i)));
    await sendTogether(all, repeat(CALLERS, text));
    await Promise.race([Promise.all(counted), sleep(20_000)]);
    for (const socket of all) socket.destroy();
  }
}

// Event streams that stay open.
async function streams({ origin, tally, hold }, of) {
  const all = await Promise.all(repeat(CALLERS, () => connection(origin)));
  for (const socket of all) countStatus(socket, tally);
  const text = (i) => Buffer.from(requestText("POST", "/graphql", { ...JSON_HEADERS, Accept: "text/event-stream" }, of(i)));
  await sendTogether(all, repeat(CALLERS, text));
  await sleep(hold + 2_000);
}

const attack = (name, run) => ({ name: `variables: ${name}`, shape: "small", threaded: true, run });
const ofEachShape = (means, run) => Object.keys(SHAPES).map((shape) => attack(`${shape}, ${means}`, (on) => run(on, shape)));
// A scalar that takes any JSON, so these are declared.
const ANY = "query($x: [_Any!]!) { _entities(representations: $x) { __typename } }";
const KINDS = `subscription($x: [EventKind!]) { stepEvents(where: { kinds: $x }) { kind } }`;
const INIT = `{"type":"connection_init","payload":{"x":${SHAPES.arrays(SIZE)}}}`;
const PING = `{"type":"ping","payload":{"x":${SHAPES.arrays(SIZE)}}}`;

export default [
  ...ofEachShape("WebSocket", (on, shape) => subscriptions(on, requests(events, "variables", shape))),
  ...ofEachShape("POST", (on, shape) => posts(on, requests(typename, "variables", shape))),
  attack("arrays, SSE", (on) => streams(on, requests(events, "variables", "arrays"))),
  attack("objects, SSE", (on) => streams(on, requests(events, "variables", "objects"))),
  attack("as extensions, WebSocket", (on) => subscriptions(on, requests(events, "extensions", "arrays"))),
  attack("as extensions, POST", (on) => posts(on, requests(typename, "extensions", "arrays"))),
  attack("as an unknown member, SSE", (on) => streams(on, requests(events, "other", "arrays"))),
  attack("as an unknown member, WebSocket", (on) => subscriptions(on, requests(events, "other", "arrays"))),
  attack("in a batch", (on) => {
    const of = requests(typename, "variables", "arrays", SIZE / 21);
    return posts(on, () => `[${repeat(20, of).join()}]`);
  }),
  attack("a batch of empty objects", (on) => posts(on, () => SHAPES["arrays of objects"](SIZE))),
  attack("declared as [_Any!]", (on) => posts(on, () => `{"query":"${ANY}","variables":{"x":[${fill('{"a":[]},', SIZE)}]}}`)),
  attack("declared as [EventKind!], WebSocket", (on) =>
    subscriptions(on, () => `{"query":"${KINDS}","variables":{"x":[${fill('"FINISHED",', SIZE)}]}}`)),
  attack("in connection_init", (on) => sockets(on, () => INIT, false)),
  attack("in ping", (on) => sockets(on, () => PING)),
];
