// HTTP/2 with node's client: by prior knowledge without TLS, by ALPN with it; HTTP/1.1 and sockets beside it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { certificateFlags } from "./certificate.mjs";
import { MUTATION, newBuild, post, until } from "./resume.mjs";
import { TIMEOUT, start, startServer } from "./server.mjs";

const QUERY = "{ eventCursor }";
const EVENTS = "subscription ($build: Int!) { stepEvents(where: { buildid: $build }, snapshot: true) { step { stateString } } }";
const run = promisify(execFile);
let dir, plain, secure, build;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "http2-test-"));
  plain = await startServer();
  secure = await start(["--anonymous", "write", ...await certificateFlags(dir)]);
  build = await newBuild(plain.origin);
}, { timeout: 3 * TIMEOUT });
after(() => {
  for (const server of [plain, secure]) server?.cleanUp();
  rmSync(dir, { recursive: true, force: true });
});

async function open(origin) {
  const session = connect(origin, { rejectUnauthorized: false });
  session.setTimeout(TIMEOUT, () => session.destroy(new Error("nothing came in time")));
  // A broken session breaks its streams too, which report it.
  session.on("error", () => {});
  await once(session, "connect");
  return session;
}

// The head of a stream's response.
function response(stream) {
  return new Promise((resolve, reject) => {
    stream.once("response", resolve).once("error", reject).once("close", () => reject(new Error("no response")));
  });
}

// One request on a session, as status, headers and text.
async function ask(session, body, headers) {
  const stream = session.request({ ":method": "POST", ":path": "/graphql", "content-type": "application/json", ...headers });
  stream.end(JSON.stringify(body));
  const answer = await response(stream);
  stream.setEncoding("utf8");
  let text = "";
  for await (const part of stream) text += part;
  return { status: answer[":status"], headers: answer, text };
}

for (const [means, server] of [["prior knowledge", () => plain], ["ALPN over TLS", () => secure]]) {
  test(`by ${means}: a hundred requests at once on one connection`, async () => {
    const session = await open(server().origin);
    try {
      assert.equal(session.alpnProtocol, means === "prior knowledge" ? "h2c" : "h2");
      const answers = await Promise.all(Array.from({ length: 100 }, () => ask(session, { query: QUERY })));
      for (const { status, text } of answers) {
        assert.equal(status, 200, text);
        assert.equal(typeof JSON.parse(text).data.eventCursor, "string");
      }
    } finally {
      session.destroy();
    }
  });
}

test("a stream of events beside requests on the same connection, ended by the client", async () => {
  const session = await open(plain.origin);
  try {
    const accept = "text/event-stream";
    const stream = session.request({ ":method": "POST", ":path": "/graphql", "content-type": "application/json", accept });
    stream.end(JSON.stringify({ query: EVENTS, variables: { build: build.buildid } }));
    assert.equal((await response(stream))[":status"], 200);
    let heard = "";
    stream.setEncoding("utf8").on("data", (part) => (heard += part));
    await until(() => heard.includes("event: next"), () => heard);
    const said = await ask(session, { query: MUTATION, variables: { step: build.stepid, state: "over HTTP/2" } });
    assert.equal(said.status, 200, said.text);
    await until(() => heard.includes("over HTTP/2"), () => heard);
    stream.close();
    await once(stream, "close");
    assert.equal((await ask(session, { query: QUERY })).status, 200);
  } finally {
    session.destroy();
  }
});

test("REST and a refused body keep their statuses", async () => {
  const session = await open(plain.origin);
  try {
    const rest = session.request({ ":path": `/api/v2/builds/${build.buildid}` });
    assert.equal((await response(rest))[":status"], 200);
    rest.resume();
    assert.equal((await ask(session, "{", { "content-type": "text/plain" })).status, 415);
    assert.equal((await ask(session, "", {})).status, 400);
  } finally {
    session.destroy();
  }
});

test("over TLS a client without HTTP/2 gets HTTP/1.1, and a socket opens", async () => {
  class Trusting extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { rejectUnauthorized: false });
    }
  }
  const url = `${secure.origin.replace("http", "ws")}/graphql`;
  const client = createClient({ url, webSocketImpl: Trusting, retryAttempts: 0 });
  try {
    for await (const { data } of client.iterate({ query: QUERY })) assert.equal(typeof data.eventCursor, "string");
  } finally {
    await client.dispose();
  }
});

test("curl by prior knowledge, by ALPN, and as HTTP/1.1", async () => {
  const flags = ["-sk", "-H", "Content-Type: application/json", "-d", JSON.stringify({ query: QUERY }), "-w", "\n%{http_version}"];
  for (const [flag, origin, version] of [
    ["--http2-prior-knowledge", plain.origin, "2"], ["--http1.1", plain.origin, "1.1"], ["--http2", plain.origin, "1.1"],
    ["--http2", secure.origin, "2"], ["--http1.1", secure.origin, "1.1"],
  ]) {
    const { stdout } = await run("curl", [flag, ...flags, `${origin}/graphql`], { timeout: TIMEOUT });
    const [answer, used] = stdout.split("\n");
    assert.equal(typeof JSON.parse(answer).data.eventCursor, "string");
    assert.equal(used, version, `${flag} ${origin}`);
  }
});

test("a server that stops says GOAWAY after the last answers", async () => {
  const stopping = await startServer();
  try {
    await post(stopping.origin, QUERY);
    const session = await open(stopping.origin);
    await ask(session, { query: QUERY });
    const gone = once(session, "goaway");
    await stopping.stop();
    assert.equal((await gone)[0], 0);
    session.destroy();
  } finally {
    stopping.cleanUp();
  }
});
