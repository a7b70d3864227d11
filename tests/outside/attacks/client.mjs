// What an attacker sends with: requests that may be left unread, sockets, and raw frames.
import { Agent, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

// The server trusts no proxy by default, so these two are different callers.
export const ATTACKER = "127.0.0.1";
export const HONEST = "127.0.0.2";

export const JSON_HEADERS = { "Content-Type": "application/json" };
// A token that nobody made.
export const BAD_TOKEN = { Authorization: `Bearer bbg_${"0".repeat(64)}` };

// How often each outcome was seen.
export class Tally {
  counts = {};
  add(outcome) {
    this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
  }
  // The status of a response, and the code of its first error.
  answer({ status, text }) {
    const code = /"code":"(\w+)"/.exec(text.slice(0, 2_000))?.[1];
    this.add(code ? `${status} ${code}` : status);
  }
}

export const repeat = (n, make) => Array.from({ length: n }, (_, i) => make(i));

// Sends a request and reads its whole response. An error of the connection is its status.
export function ask(origin, { path = "/graphql", method, headers, body, agent, localAddress = ATTACKER, timeout = 30_000 }) {
  return new Promise((resolve) => {
    const started = performance.now();
    const end = (status, text = "", headers = {}) => resolve({ status, text, headers, ms: performance.now() - started });
    const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers, agent, localAddress };
    const request = httpRequest(origin + path, options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => end(response.statusCode, Buffer.concat(parts).toString(), response.headers));
      response.on("error", (error) => end(error.code ?? error.message));
    });
    request.setTimeout(timeout, () => request.destroy(new Error("timeout")));
    request.on("error", (error) => end(error.code ?? error.message));
    request.end(body);
  });
}

// Sends a GraphQL request over a kept connection of the agent.
export const query = (origin, body, options) =>
  ask(origin, { headers: JSON_HEADERS, body: JSON.stringify(body), ...options });

// Asks over and over on `clients` connections for so long.
export async function loop(origin, tally, clients, milliseconds, make) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const end = Date.now() + milliseconds;
  let n = 0;
  await Promise.all(repeat(clients, async () => {
    while (Date.now() < end) {
      const response = await ask(origin, { agent, ...make(n++) });
      tally.answer(response);
      // A server that closes connections at once is asked no faster than one that answers.
      if (typeof response.status === "string") await sleep(10);
    }
  }));
  agent.destroy();
}

// The text of an HTTP/1.1 request.
export function requestText(method, path, headers, body = "") {
  const all = { Host: "127.0.0.1", ...(body && { "Content-Length": Buffer.byteLength(body) }), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

// An open connection. It reads nothing until `resume` is called, and never fails.
export async function connection(origin) {
  const { hostname: host, port } = new URL(origin);
  const socket = connect({ host, port, localAddress: ATTACKER });
  socket.pause();
  socket.on("error", () => {});
  await new Promise((done) => socket.once("connect", done).once("close", done));
  return socket;
}

// Writes, and waits until the system has taken everything, or for so long.
export const send = (socket, bytes, milliseconds = 5_000) =>
  Promise.race([new Promise((done) => socket.write(bytes, done)), sleep(milliseconds)]);

// Counts the status of the first response that comes, or how the connection ended.
export function countStatus(socket, tally) {
  return new Promise((done) => {
    let counted = false;
    const count = (outcome) => {
      if (!counted) tally.add(outcome);
      counted = true;
      done();
    };
    socket.once("data", (part) => count(Number(part.subarray(9, 12).toString())));
    socket.once("close", () => count("closed"));
    socket.resume();
  });
}

// A socket of graphql-transport-ws whose messages are counted by type, or null if it was refused.
export async function webSocket(origin, tally, { init = true } = {}) {
  const options = { localAddress: ATTACKER, perMessageDeflate: false };
  const socket = new WebSocket(`${origin.replace("http", "ws")}/graphql`, "graphql-transport-ws", options);
  socket.on("error", () => {});
  socket.on("close", (code) => tally.add(`close ${code}`));
  const opened = await new Promise((done) => {
    socket.once("open", () => done(true)).once("close", () => done(false));
  });
  if (!opened) return null;
  socket.on("message", (bytes) => {
    const text = bytes.subarray(0, 300).toString();
    const code = /"code":"(\w+)"/.exec(text)?.[1];
    tally.add(code ?? /"type":"(\w+)"/.exec(text)?.[1]);
  });
  if (init) {
    socket.send('{"type":"connection_init"}');
    await Promise.race([new Promise((done) => socket.once("message", done).once("close", done)), sleep(10_000)]);
  }
  return socket;
}

export const subscribe = (id, payload) =>
  `{"type":"subscribe","id":"${id}","payload":${typeof payload === "string" ? payload : JSON.stringify(payload)}}`;

// Sends the texts, each on its connection, so that all end at the same moment.
export async function sendTogether(sockets, texts) {
  await Promise.all(sockets.map((socket, i) => send(socket, texts[i].subarray(0, -1))));
  await sleep(500);
  for (const [i, socket] of sockets.entries()) socket.write(texts[i].subarray(-1));
}

// Counts the messages of a socket by type or error code, and its end.
export function countMessages(socket, tally) {
  socket.on("close", () => tally.add("closed"));
  socket.on("data", (part) => {
    for (const [, type, code] of part.toString("latin1").matchAll(/"type":"(\w+)"|"code":"(\w+)"/g)) tally.add(code ?? type);
  });
}

// A WebSocket by hand, after its upgrade: the caller writes frames.
export async function rawWebSocket(origin) {
  const socket = await connection(origin);
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": 13,
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "graphql-transport-ws",
  };
  socket.write(requestText("GET", "/graphql", headers));
  socket.resume();
  await Promise.race([new Promise((done) => socket.once("data", done).once("close", done)), sleep(10_000)]);
  return socket;
}

// The head of a client's frame, whose mask is zero: the payload follows as it is.
export function frameHead(opcode, isFinal, length) {
  const head = Buffer.alloc(14);
  head[0] = (isFinal ? 0x80 : 0) | opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  if (length < 126) {
    head[1] = 0x80 | length;
    return Buffer.concat([head.subarray(0, 2), Buffer.alloc(4)]);
  }
  return head;
}

export const frame = (opcode, isFinal, payload) => Buffer.concat([frameHead(opcode, isFinal, payload.length), payload]);

// An HTTP/2 session of node's client, from the attacker's address.
export async function session(origin, settings = {}) {
  const http2 = connectHttp2(origin, { settings, localAddress: ATTACKER });
  http2.on("error", () => {});
  await new Promise((done) => http2.once("connect", done).once("close", done));
  return http2;
}

// A request on a session, whose status is counted. Its body is read only if `read` is true.
export function ask2(http2, tally, { headers = {}, body, read = false }) {
  return new Promise((done) => {
    if (http2.destroyed) return done(tally.add("closed"));
    const method = body === undefined ? "GET" : "POST";
    const stream = http2.request({ ":method": method, ":path": "/graphql", "content-type": "application/json", ...headers });
    stream.once("response", (response) => done(tally.add(response[":status"])));
    stream.once("error", (error) => done(tally.add(error.code)));
    stream.once("close", done);
    if (read) stream.resume();
    stream.end(body);
  });
}

// A raw HTTP/2 connection after both prefaces.
export async function rawHttp2(origin) {
  const socket = await connection(origin);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(http2Frame(4, 0, 0, Buffer.alloc(0)));
  return socket;
}

export function http2Frame(type, flags, stream, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

// Writes until the connection ends or the time is over, as fast as the server takes it.
export async function flood(socket, milliseconds, make) {
  const end = Date.now() + milliseconds;
  while (Date.now() < end && !socket.destroyed) {
    if (!socket.write(make())) {
      await Promise.race([new Promise((done) => socket.once("drain", done).once("close", done)), sleep(end - Date.now())]);
    }
  }
}
