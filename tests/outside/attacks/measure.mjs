// One attack on a fresh server with default flags, beside an honest caller: memory, and what the honest caller notices.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { binary, launch } from "../server.mjs";
import { ATTACKER, HONEST, JSON_HEADERS, ask, query } from "./client.mjs";
import { database } from "./database.mjs";

// As many threads as a large machine has: each may read a request at the same moment.
export const MANY_THREADS = 64;
// MiB that the server may hold during an attack, and more than before it when that is over.
export const MOST = 512;
export const LEFT = 128;
// A server beyond this is killed, so that it takes nobody else down.
const DEADLY = 4_096;

const QUERY = { query: "{ builds(last: 1) { nodes { number steps(limit: 10) { name } } } }" };
const EVENTS = { query: "subscription { stepEvents(snapshot: true, where: { stepid: 1 }) { kind } }" };

// A line of the kernel's status of a process, in MiB.
function memory(pid, name) {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return line ? Math.round(Number(line[1]) / 1_024) : 0;
}

// Watches the peak until the process ends.
function watch(child) {
  const seen = { peak: 0, killed: false };
  const timer = setInterval(() => {
    if (child.exitCode !== null || child.signalCode !== null) return clearInterval(timer);
    seen.peak = Math.max(seen.peak, memory(child.pid, "VmHWM"));
    if (seen.peak < DEADLY) return;
    seen.killed = true;
    child.kill("SIGKILL");
  }, 20);
  return { seen, stop: () => clearInterval(timer) };
}

// Whether a subscription begins: its first event is there in time.
function begins(origin, headers, patience) {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(patience);
    const options = { method: "POST", headers: { ...headers, Accept: "text/event-stream" }, localAddress: HONEST, signal };
    const asked = request(`${origin}/graphql`, options, (response) => {
      let text = "";
      response.on("data", (part) => {
        text += part;
        if (!text.includes("SNAPSHOT")) return;
        resolve(true);
        asked.destroy();
      });
      response.on("error", () => resolve(false)).on("end", () => resolve(false));
    });
    asked.on("error", () => resolve(false));
    asked.end(JSON.stringify(EVENTS));
  });
}

// Asks twenty times a second, whether or not there are answers, and subscribes each second.
function honest(origin, token, patience) {
  const headers = { ...JSON_HEADERS, ...(token && { Authorization: `Bearer ${token}` }) };
  const agent = new Agent({ keepAlive: true });
  const result = { times: [], failures: [], subscriptions: 0, unbegun: 0 };
  const pending = new Set();
  const track = (promise) => pending.add(promise.finally(() => pending.delete(promise)));
  const asking = setInterval(() => track(query(origin, QUERY, { headers, agent, localAddress: HONEST, timeout: patience }).then((answer) => {
    result.times.push(answer.ms);
    if (answer.status !== 200 || answer.text.includes('"errors"')) result.failures.push(`${answer.status} ${answer.text.slice(0, 200)}`);
  })), 50);
  const subscribing = setInterval(() => track(begins(origin, headers, patience).then((begun) => {
    result.subscriptions++;
    if (!begun) result.unbegun++;
  })), 1_000);
  return async () => {
    clearInterval(asking);
    clearInterval(subscribing);
    await Promise.all(pending);
    agent.destroy();
    return result;
  };
}

// Runs the attack in a process of its own, which gives way to the server and the honest caller.
async function attackFrom(name, origin, file, hold) {
  const program = fileURLToPath(new URL("attacker.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, name, origin, file, String(hold)], { stdio: ["ignore", "pipe", "inherit"] });
  setPriority(child.pid, 10);
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  await once(child, "close");
  return JSON.parse(text || '{"the attack broke":1}');
}

// The points that the attacker no longer has.
async function pointsSpent(origin) {
  const { headers } = await query(origin, { query: "{ __typename }" }, { localAddress: ATTACKER });
  const quota = /q=(\d+)/.exec(headers["ratelimit-policy"])?.[1];
  const left = /r=(\d+)/.exec(headers["ratelimit"])?.[1];
  return quota && left ? quota - left : null;
}

const quantile = (sorted, q) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0);

// Each copy has a name of its own.
let copies = 0;

// `hold` is how long an attack goes on, `rest` how long memory may take to come back, `patience` how long the honest
// caller waits, all in milliseconds. `shape` replaces the database. `threads` is how many the server has.
export async function measure(dir, attack, { hold, rest, patience, shape = attack.shape, threads }) {
  const copy = attack.copies || attack.needsToken ? `copy-${copies++}.sqlite` : undefined;
  const file = database(dir, shape, copy);
  const url = `sqlite://${file}`;
  const token = attack.needsToken &&
    execFileSync(binary(), ["token", "create", "--name", "honest", "--scope", "read", "--database-url", url], { encoding: "utf8" }).trim();
  // The server inherits it. Unset, it is what the server chooses for this machine.
  if (threads) process.env.TOKIO_WORKER_THREADS = threads;
  else delete process.env.TOKIO_WORKER_THREADS;
  const { child, origin } = await launch(dir, `${ATTACKER}:0`, ["--database-url", url, ...(attack.flags ?? [])]);
  try {
    await query(origin, QUERY, { localAddress: HONEST, headers: { ...JSON_HEADERS, ...(token && { Authorization: `Bearer ${token}` }) } });
    const idle = memory(child.pid, "VmRSS");
    const watched = watch(child);
    const stop = honest(origin, token, patience);
    const outcome = await attackFrom(attack.name, origin, file, hold);
    const { times, ...noticed } = await stop();
    const points = await pointsSpent(origin);
    const alive = () => child.exitCode === null && child.signalCode === null;
    const end = Date.now() + rest;
    while (alive() && Date.now() < end && memory(child.pid, "VmRSS") > idle + LEFT) await sleep(100);
    watched.stop();
    const isAlive = alive();
    times.sort((a, b) => a - b);
    return {
      ...watched.seen, idle, after: isAlive ? memory(child.pid, "VmRSS") : null, isAlive, outcome, points,
      asked: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99), ...noticed,
    };
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    if (copy) for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  }
}
