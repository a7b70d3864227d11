// How fast a long log is read, of a master and of our server, from the same database and in turn, and what readers that
// stop reading cost: prints a table, asserts nothing but that raw is whole and a search finds its line.
//   node log_speed.mjs [--lines N] [--rounds N] [--only DATABASE]
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { launch } from "../server.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach } from "./our_server.mjs";

const { values: options } = parseArgs({
  options: {
    lines: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "SQLite" },
  },
});
const LINES = Number(options.lines);
const ROUNDS = Number(options.rounds);
// Of all lines, as logs.cfg writes them.
const BYTES = 100 * LINES;
const READERS = 50;
// The page of a master reads a log for its search in this many requests.
const DOWNLOADS = 200;
// One caller sends everything here.
const FLAGS = ["--rate-points", "0"];
const agent = new Agent({ keepAlive: true });

// The body of an answer, and the milliseconds until it has all come.
function timed(url, { body, headers } = {}) {
  const began = performance.now();
  return new Promise((done, failed) => {
    const asking = request(url, { agent, method: body ? "POST" : "GET", headers: { Accept: "application/json", ...headers } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part)).on("error", failed);
      response.on("end", () => {
        const text = Buffer.concat(parts);
        if (response.statusCode !== 200) return failed(new Error(`${url}: ${response.statusCode} ${text.subarray(0, 500)}`));
        done({ text, ms: performance.now() - began });
      });
    });
    asking.on("error", failed);
    asking.end(body);
  });
}

const graphql = (origin, field) =>
  timed(`${origin}/graphql`, { body: JSON.stringify({ query: `{ log(logid: 1) { ${field} } }` }), headers: { "Content-Type": "application/json" } });
const contents = (origin, from, limit) => timed(`${origin}/api/v2/logs/1/contents?offset=${from}&limit=${limit}`);

// What is measured of a server, by name: its answer, and the milliseconds.
const REST = {
  "first 1,000 lines, REST": (origin) => contents(origin, 0, 1_000),
  "last 1,000 lines, REST": (origin) => contents(origin, LINES - 1_000, 1_000),
};
// After the others: it leaves garbage in this process.
const RAW = { raw: (origin) => timed(`${origin}/api/v2/logs/1/raw`) };
const GRAPHQL = {
  "first 1,000 lines, GraphQL": (origin) => graphql(origin, "lines { lines { number text } }"),
  "last 1,000 lines, GraphQL": (origin) => graphql(origin, "lines(from: -1000) { lines { number text } }"),
};
const search = async (origin, how) => {
  const answer = await graphql(origin, `search(${how}) { matches { number text } }`);
  assert.equal(answer.text.toString().split("FAILED").length, 2);
  return answer;
};
const SEARCH = {
  search: (origin) => search(origin, 'text: "FAILED"'),
  "search, regex": (origin) => search(origin, 'regex: "error: .* FAILED"'),
};
// As Buildbot's page searches: it downloads everything.
const DOWNLOAD = {
  async search(origin) {
    let [ms, all] = [0, ""];
    const limit = Math.ceil(LINES / DOWNLOADS);
    for (let from = 0; from < LINES; from += limit) {
      const part = await contents(origin, from, limit);
      ms += part.ms;
      all += part.text;
    }
    assert.equal(all.split("FAILED").length, 2);
    return { text: all, ms };
  },
};

// The resident memory of a process, in MiB.
const resident = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

// How many MiB a server grows by while readers of the whole log stop reading.
async function slowReaders({ origin, pid }) {
  const before = resident(pid);
  const { hostname, port, host } = new URL(origin);
  const sockets = Array.from({ length: READERS }, () => {
    const socket = connect({ host: hostname, port, highWaterMark: 1 });
    socket.on("error", () => {}).write(`GET /api/v2/logs/1/raw HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    socket.once("data", () => socket.pause());
    return socket;
  });
  let most = before;
  for (let seconds = 0; seconds < 15; seconds += 0.2) {
    await sleep(200);
    most = Math.max(most, resident(pid));
  }
  for (const socket of sockets) socket.destroy();
  return most - before;
}

// Before the lines stands the name of the worker, which our own log has not.
const linesOf = (text) => text.subarray(text.indexOf("["));

const median = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
const servers = [];
const row = (cells) => console.log(`| ${cells.join(" | ")} |`);

async function measure() {
  const times = new Map();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, origin, kinds } of servers) {
      for (const [what, ask] of Object.entries(kinds)) {
        const { text, ms } = await ask(origin);
        if (what === "raw") assert.equal(linesOf(text).length, BYTES, `${name}: ${what}`);
        times.set(what, times.get(what) ?? new Map());
        times.get(what).set(name, [...(times.get(what).get(name) ?? []), ms]);
      }
    }
  }
  row([`ms, median of ${ROUNDS}`, ...servers.map(({ name }) => name)]);
  row(Array(servers.length + 1).fill("---"));
  for (const [what, of] of times) row([what, ...servers.map(({ name }) => (of.has(name) ? median(of.get(name)).toFixed(1) : ""))]);
  const grown = [];
  for (const server of servers) grown.push((await slowReaders(server)).toFixed(1));
  row([`${READERS} readers of raw that stop reading, MiB`, ...grown]);
}

// The same log in a database of our own, written by our server.
async function fill(ours, text) {
  const mutate = async (query, variables = {}) => {
    const { text: answer } = await timed(`${ours.origin}/graphql`, { body: JSON.stringify({ query, variables }), headers: { "Content-Type": "application/json" } });
    const { data, errors } = JSON.parse(answer);
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  };
  await mutate('mutation { findBuilder(name: "logs") { builderid } }');
  await mutate("mutation { addBuild(builderid: 1) { build { buildid } } }");
  await mutate('mutation { newStep(buildid: 1, name: "long") { step { stepid } } }');
  await mutate('mutation { addLog(stepid: 1, name: "stdio", type: STDIO) { log { logid } } }');
  const began = performance.now();
  for (let at = 0; at < text.length; at += 800_000) {
    await mutate("mutation($content: String!) { appendLog(logid: 1, content: $content) { cursor } }", { content: text.slice(at, at + 800_000) });
  }
  await mutate("mutation { finishLog(logid: 1) { cursor } }");
  console.log(`written by ours in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

// Waits for the master's build, however long it takes.
async function written(master) {
  await master.force("logs");
  while ((await master.get("builds?complete=true")).builds.length === 0) await sleep(500);
}

// Waits until the master has merged the chunks of the log: meanwhile it was seen to send 1,000 lines too many.
async function merged(master) {
  for (let tries = 1; ; tries += 1) {
    const { length } = linesOf((await RAW.raw(master.origin)).text);
    if (length === BYTES) return;
    assert(tries < 30, `raw of the master has ${length} bytes`);
    console.log(`raw of the master has ${length} bytes of ${BYTES}`);
    await sleep(5_000);
  }
}

const master = await Master.create(options.only, { config: "logs.cfg", env: { BB_LOG_LINES: `${LINES}` } });
let own;
let ours;
try {
  await attach(master);
  await master.start();
  const began = performance.now();
  await written(master);
  console.log(`written by the master in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  await merged(master);
  ours = await OurServer.serve(master, ...FLAGS);
  const { text } = await timed(`${ours.origin}/api/v2/logs/1/raw`);
  const database = `sqlite://${master.dir}/own.sqlite?mode=rwc`;
  own = await launch(master.dir, "127.0.0.1:0", ["--database-url", database, "--anonymous", "write", ...FLAGS]);
  await fill(own, linesOf(text).toString());
  servers.push(
    { name: "the master", origin: master.origin, pid: master.child.pid, kinds: { ...REST, ...RAW, ...DOWNLOAD } },
    { name: "ours beside it", origin: ours.origin, pid: ours.child.pid, kinds: { ...REST, ...GRAPHQL, ...SEARCH, ...RAW } },
    { name: "ours, own log", origin: own.origin, pid: own.child.pid, kinds: { ...REST, ...GRAPHQL, ...SEARCH, ...RAW } },
  );
  await measure();
} finally {
  own?.child.kill("SIGKILL");
  await ours?.kill();
  await master.cleanUp();
}
