// packaging/nginx.conf in a real nginx before the server. Only addresses and one timeout of the file are changed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { EVENTS, MUTATION, QUERY, newBuild, post, until } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const PACKAGED = readFileSync(new URL("../../packaging/nginx.conf", import.meta.url), "utf8");
// nginx closes connections that are quiet for longer than this, which tests must be able to observe.
const READ_TIMEOUT_SECONDS = 4;
process.env.BUILDBOT_GRAPHQL_SOCKET_PING_SECONDS = "1";
process.env.BUILDBOT_GRAPHQL_TRUSTED_PROXY = "127.0.0.1";
// Points do not refill during a test.
process.env.BUILDBOT_GRAPHQL_RATE_POINTS_PER_SECOND = "1";

let server, nginx, build;

before(async () => {
  server = await startServer();
  nginx = await startNginx(server.origin);
  build = await newBuild(nginx.origin);
}, { timeout: 2 * TIMEOUT });
after(async () => {
  await nginx?.stop();
  server?.cleanUp();
});

test("the pages, their files and the health are public; the rest is not", async () => {
  const page = await fetch(`${nginx.origin}/graphiql`);
  const [, script] = /src="(\/graphiql\/graphiql[^"]+)"/.exec(await page.text());
  for (const [path, status] of [
    ["/", 200], ["/now", 200], ["/builders", 200], ["/builders/a%2Fb/builds/1", 200], ["/page/page.js", 200],
    [script, 200], ["/healthz", 200], ["/graphql/stream", 406],
    ["/metrics", 404], ["/readyz", 404], ["//metrics", 404], ["/%6detrics", 404], ["/graphiql/..%2fmetrics", 404], ["/below/metrics", 404],
  ]) {
    const response = await fetch(`${nginx.origin}${path}`);
    assert.equal(response.status, status, path);
    await response.arrayBuffer();
  }
  // These routes exist.
  for (const path of ["/metrics", "/readyz"]) assert.equal((await fetch(`${server.origin}${path}`)).status, 200, path);
});

test("nginx tells whose points are spent", async () => {
  const left = async (client) => {
    const headers = { "Content-Type": "application/json", "X-Forwarded-For": client };
    // It reads nothing: the time of a statement would cost points too.
    const body = JSON.stringify({ query: "{ __typename }" });
    const response = await fetch(`${nginx.origin}/graphql`, { method: "POST", headers, body });
    assert.equal(response.status, 200);
    await response.arrayBuffer();
    return Number(/r=(\d+)/.exec(response.headers.get("RateLimit"))[1]);
  };
  const first = await left("192.0.2.7");
  for (let n = 0; n < 20; n += 1) await left("192.0.2.7");
  assert(await left("192.0.2.7") < first - 10);
  assert.equal(await left("192.0.2.8"), first);
});

test("a body as large as the server's limit passes, a larger one is 413", async () => {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ query: "{ eventCursor }" }).padEnd(1_048_576);
  const response = await fetch(`${nginx.origin}/graphql`, { method: "POST", headers, body });
  assert.equal(response.status, 200);
  assert((await response.json()).data.eventCursor);
  const larger = await fetch(`${nginx.origin}/graphql`, { method: "POST", headers, body: `${body} ` });
  assert.equal(larger.status, 413);
  // The server never received it: its own response would give a reason.
  assert.match(await larger.text(), /nginx/);
});

test("a query, a socket and a stream, which are not cut while they are quiet, at /graphql and below another path", { timeout: 2 * TIMEOUT }, async () => {
  await Promise.all(["/graphql", "/below/graphql"].map(async (path) => {
    const url = `${nginx.origin}${path}`;
    const query = { query: QUERY, variables: { last: 1 } };
    const headers = { "Content-Type": "application/json" };
    const asked = await fetch(url, { method: "POST", headers, body: JSON.stringify(query) });
    assert.equal((await asked.json()).data.builds.nodes.length, 1);

    // Its own build, so that the other path's events do not arrive here.
    const { buildid, stepid, after } = await newBuild(nginx.origin);
    const variables = { build: buildid, after };
    const socket = subscribe(url, { ...variables });
    const parameters = new URLSearchParams({ query: EVENTS, variables: JSON.stringify(variables) });
    const stopping = new AbortController();
    const response = await fetch(`${url}?${parameters}`, { headers: { Accept: "text/event-stream" }, signal: stopping.signal });
    assert.equal(response.status, 200);
    const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    try {
      for (const state of ["first", "after a quiet time"]) {
        const cursor = await say(stepid, state);
        // The stream is still open when its event arrives.
        await readUntil(chunks, `id: ${cursor}\n`);
        await until(() => socket.heard.at(-1) === state, () => `${state}, heard: ${socket.heard}`);
        if (state === "first") await sleep(2.5 * READ_TIMEOUT_SECONDS * 1_000);
      }
      assert.deepEqual(socket.heard, ["first", "after a quiet time"]);
      assert.equal(socket.connections(), 1);
    } finally {
      stopping.abort();
      await socket.dispose();
    }
  }));
});

test("the page's own origin may open sockets and streams, another may not", async () => {
  const { host } = new URL(nginx.origin);
  const named = `steps.example.org:${new URL(nginx.origin).port}`;
  for (const [asked, origin, status] of [
    [host, `http://${host}`, 101], [named, `http://${named}`, 101], [named, `https://${named}`, 101],
    [host, "http://evil.example", 403], [named, `http://${host}`, 403], [named, "http://steps.example.org", 403],
  ]) {
    const socket = new WebSocket(`ws://${host}/graphql`, "graphql-transport-ws", { headers: { Host: asked, Origin: origin } });
    const got = await Promise.race([
      once(socket, "open").then(() => 101),
      once(socket, "unexpected-response").then(([, response]) => response.statusCode),
    ]);
    assert.equal(got, status, `${origin} at ${asked}`);
    socket.on("error", () => {});
    socket.terminate();
  }
  const stream = (origin) => fetch(`${nginx.origin}/graphql?${new URLSearchParams({ query: "{ eventCursor }" })}`,
    { headers: { Accept: "text/event-stream", Origin: origin } });
  for (const [origin, status] of [[nginx.origin, 200], ["http://evil.example", 403]]) {
    const response = await stream(origin);
    assert.equal(response.status, status, origin);
    await response.arrayBuffer();
  }
});

test("a client comes back after nginx is reloaded and after the server is killed, and has heard everything", async () => {
  const { buildid, stepid, after } = await newBuild(nginx.origin);
  const socket = subscribe(`${nginx.origin}/graphql`, { build: buildid, after });
  const said = [];
  try {
    for (const disturb of [() => {}, nginx.reload, server.restart]) {
      const before = socket.connections();
      await disturb();
      // Some of these happen while the client is disconnected.
      for (let n = 0; n < 20; n += 1) {
        said.push(`state ${said.length}`);
        await say(stepid, said.at(-1));
      }
      await until(() => socket.connections() > before, () => `connection ${before + 1}, ${socket.heard.length} heard`);
      await until(() => socket.heard.length >= said.length, () => `${said.length}, heard: ${socket.heard}`);
      assert.deepEqual(socket.heard, said);
    }
  } finally {
    await socket.dispose();
  }
});

test("a server that is down is passed over", async () => {
  const other = await startNginx(server.origin, `127.0.0.1:${await freePort()}`);
  try {
    for (let n = 0; n < 4; n += 1) {
      const { setStepStateString } = await post(other.origin, MUTATION, { step: build.stepid, state: `passed over ${n}` });
      assert.equal(setStepStateString.step.stateString, `passed over ${n}`);
    }
  } finally {
    await other.stop();
  }
});

test("two servers are restarted in turn under load, and no request notices", { timeout: 4 * TIMEOUT }, async () => {
  const second = await server.peer();
  const balanced = await startNginx(server.origin, new URL(second.origin).host);
  const agent = new Agent({ keepAlive: true });
  const failures = [];
  let answers = 0;
  // Crossed with the closing of their kept connections: nginx cannot know whether they were done.
  const unknown = new Set();
  let running = true;
  let socket, stream;
  try {
    const { buildid, stepid, after } = await newBuild(balanced.origin);
    const said = new Set();
    const mutation = (state) => ({ query: MUTATION, variables: { step: stepid, state } });
    socket = subscribe(`${balanced.origin}/graphql`, { build: buildid, after });
    stream = follow(`${balanced.origin}/graphql`, { build: buildid, after });
    const send = async (method, path, headers, body, acknowledged) => {
      const { status, text } = await request(agent, method, `${balanced.origin}${path}`, headers, body);
      answers += 1;
      const crossed = status === 502 && method === "POST" && !headers["Idempotency-Key"];
      if (crossed) unknown.add(acknowledged ?? answers);
      else if (status !== 200 || text.includes('"errors"')) failures.push(`${method} ${path} ${JSON.stringify(body)}: ${status} ${text}`);
      else if (acknowledged) said.add(acknowledged);
    };
    const kinds = [
      () => send("GET", `/graphql?${new URLSearchParams({ query: "{ eventCursor }" })}`, { "GraphQL-Require-Preflight": "1" }),
      () => send("GET", "/api/v2/builders", {}),
      () => send("POST", "/graphql", {}, { query: QUERY, variables: { last: 1 } }),
      (state) => send("POST", "/graphql", {}, mutation(state), state),
      (state) => send("POST", "/graphql", { "Idempotency-Key": state }, mutation(state), state),
    ];
    const clients = Array.from({ length: 16 }, async (_, n) => {
      for (let i = 0; running; i += 1) await kinds[(n + i) % kinds.length](`${n}.${i}`);
    });
    for (const each of [server, second, server, second]) {
      const before = answers;
      await until(() => answers > before + 200, () => `${answers} answers, ${failures}`);
      await each.stop();
      await each.restart();
    }
    running = false;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    // At most one in each restart.
    assert(unknown.size <= 4, `${unknown.size} of ${answers}`);
    // Both have come back, and have heard of every write once.
    for (const client of [socket, stream]) {
      const heard = () => client.heard.filter((state) => !unknown.has(state));
      await until(() => heard().length >= said.size, () => `${said.size} events, heard ${heard().length}`);
      assert.deepEqual(heard().toSorted(), [...said].toSorted());
    }
  } finally {
    running = false;
    // What is open would keep the tests from ending.
    await socket?.dispose();
    await stream?.end();
    agent.destroy();
    await balanced.stop();
    second.cleanUp();
  }
});

test("a mutation with a key is asked elsewhere if its server dies", async () => {
  // Takes a request and answers nothing.
  const dying = createServer((client) => client.once("data", () => client.destroy()));
  dying.listen(0, "127.0.0.1");
  await once(dying, "listening");
  const other = await startNginx(`http://127.0.0.1:${dying.address().port}`, new URL(server.origin).host);
  const agent = new Agent();
  try {
    const body = (state) => ({ query: MUTATION, variables: { step: build.stepid, state } });
    const ask = (headers, state) => request(agent, "POST", `${other.origin}/graphql`, headers, body(state));
    const plain = [];
    for (let n = 0; n < 4; n += 1) {
      const { status, text } = await ask({ "Idempotency-Key": `dies ${n}` }, `keyed ${n}`);
      assert(status === 200 && !text.includes('"errors"'), `${status} ${text}`);
      plain.push((await ask({}, `plain ${n}`)).status);
    }
    // Without a key nobody knows whether the first server has written it.
    assert(plain.includes(502), `${plain}`);
  } finally {
    agent.destroy();
    await other.stop();
    dying.close();
  }
});

// The cursor of an event. The write bypasses nginx, whose reload may cut off a request.
async function say(stepid, state) {
  const { setStepStateString } = await post(server.origin, MUTATION, { step: stepid, state });
  return setStepStateString.cursor;
}

// A client that reconnects: what it has received, and how often it has connected.
function subscribe(url, variables) {
  const heard = [];
  let connections = 0;
  const patient = { retryAttempts: 100, retryWait: () => sleep(50), shouldRetry: () => true };
  const on = { connected: () => (connections += 1) };
  const client = createClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, on, ...patient });
  client.subscribe({ query: EVENTS, variables }, {
    next({ data, errors }) {
      heard.push(data?.stepEvents.step.stateString ?? JSON.stringify(errors));
      // The client sends this object again with each connection.
      variables.after = data?.stepEvents.cursor;
    },
    error: (e) => heard.push(`${e?.code} ${e?.reason} ${JSON.stringify(e)}`),
    complete: () => {},
  });
  return { heard, connections: () => connections, dispose: () => client.dispose() };
}

// An answer over a kept connection: `fetch` would send a request again by itself.
function request(agent, method, url, headers, body) {
  return new Promise((answered, failed) => {
    const json = body && { "Content-Type": "application/json" };
    const asked = httpRequest(url, { agent, method, headers: { ...json, ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => answered({ status: response.statusCode, text }));
      response.on("error", failed);
    });
    asked.on("error", failed);
    asked.end(body && JSON.stringify(body));
  });
}

// What an event stream has told, which is opened again whenever it ends.
function follow(url, variables) {
  const heard = [];
  const stopping = new AbortController();
  const reading = (async () => {
    let ended = false;
    stopping.signal.addEventListener("abort", () => (ended = true));
    while (!ended) {
      try {
        const parameters = new URLSearchParams({ query: EVENTS, variables: JSON.stringify(variables) });
        const headers = { Accept: "text/event-stream" };
        const response = await fetch(`${url}?${parameters}`, { headers, signal: stopping.signal });
        assert.equal(response.status, 200);
        let text = "";
        for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
          text += chunk;
          const events = text.split("\n\n");
          text = events.pop();
          for (const [, data] of events.map((event) => /^data: *({.*)$/m.exec(event)).filter(Boolean)) {
            const event = JSON.parse(data).data?.stepEvents;
            if (!event) continue;
            heard.push(event.step.stateString);
            variables.after = event.cursor;
          }
        }
      } catch {
        // Cut, and opened again.
      }
      await sleep(50);
    }
  })();
  return { heard, end: () => (stopping.abort(), reading) };
}

async function readUntil(chunks, wanted) {
  const late = sleep(TIMEOUT, { value: undefined }, { ref: false });
  let text = "";
  while (!text.includes(wanted)) {
    const { value } = await Promise.race([chunks.next(), late]);
    assert(value !== undefined, `the stream ended, or brought too late: ${wanted}, only ${text}`);
    text += value;
  }
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

// The packaged file, with its second server and the example path replaced by existing ones.
async function startNginx(upstream, secondServer = "") {
  const dir = mkdtempSync(join(tmpdir(), "outside-nginx-"));
  const port = await freePort();
  let site = PACKAGED;
  for (const [from, to] of [
    ["server 127.0.0.1:8020 ", `server ${new URL(upstream).host} `],
    ["#server 192.0.2.2:8020 max_fails=0;", secondServer && `server ${secondServer} max_fails=0;`],
    ["listen 80;", `listen 127.0.0.1:${port};`],
    ["proxy_read_timeout 60s;", `proxy_read_timeout ${READ_TIMEOUT_SECONDS}s;`],
    ["#location = /below/graphql", "location = /below/graphql"],
  ]) {
    assert.equal(site.split(from).length, 2, `packaging/nginx.conf has once: ${from}`);
    site = site.replace(from, to);
  }
  writeFileSync(join(dir, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${dir}/${of};`);
  writeFileSync(join(dir, "nginx.conf"), `
    daemon off;
    worker_processes 1;
    worker_shutdown_timeout 100ms;
    pid ${dir}/pid;
    error_log stderr notice;
    events { worker_connections 256; }
    http { access_log off; ${temporary.join(" ")} include ${dir}/site.conf; }`);
  // nginx runs without root, and its workers as the same user.
  const user = process.getuid() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if (user.uid) chownSync(dir, user.uid, user.gid);
  const log = [];
  const child = spawn("nginx", ["-e", "stderr", "-p", dir, "-c", join(dir, "nginx.conf")], { ...user, stdio: ["ignore", "ignore", "pipe"] });
  let failure;
  child.once("error", (error) => (failure = error));
  child.stderr.setEncoding("utf8").on("data", (text) => log.push(text));
  const running = async () => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
    } catch {
      return false;
    }
  };
  const stop = async () => {
    if (child.pid && child.exitCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  const end = Date.now() + TIMEOUT;
  while (!(await running())) {
    if (failure || child.exitCode !== null || Date.now() > end) {
      await stop();
      assert.fail(`nginx does not run: ${failure ?? ""}\n${log.join("")}`);
    }
    await sleep(20);
  }
  return {
    origin: `http://127.0.0.1:${port}`,
    reload: () => child.kill("SIGHUP"),
    stop,
  };
}
