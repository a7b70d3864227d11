// What a master notices of our server, and how soon our subscribers receive its writes: a table per database. Asserts
// nothing.
//   node measure.mjs [--rounds N] [--builds N] [--apart] [--only DATABASE]... [--situation NAME]...
// Each round goes through all situations, so that other load on the machine affects them alike:
//   alone      our server does not run, and the database is as Buildbot created it
//   spinning   the same, with a computing program on every processor: the cost of contention
//   attached   our server with one subscriber
//   loaded     our server with that subscriber, and load.mjs
// With --apart the master has the first processor to itself, and everything else of ours the others.
import { execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { KINDS } from "./database.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach, detach } from "./our_server.mjs";
import { HERE } from "./run.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    builds: { type: "string", default: "6" },
    apart: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: KINDS },
    situation: { type: "string", multiple: true },
  },
});
const ROUNDS = Number(options.rounds);
const BUILDS = Array(Number(options.builds)).fill("brisk");
const PROCESSORS = availableParallelism();
// The longest that anything may take.
const LIMIT = 50;

// The clock of timings.py, with which the listeners' times are compared.
const machine = (at) => at - performance.timeOrigin - performance.now() + Number(process.hrtime.bigint()) / 1e6;
const now = () => Number(process.hrtime.bigint()) / 1e6;

const nothing = async () => {};

const SITUATIONS = {
  alone: async () => ({ end: nothing }),
  async spinning() {
    const spinning = Array.from({ length: PROCESSORS }, () => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
    for (const { pid } of spinning) keepApart(pid);
    return {
      async end() {
        for (const child of spinning) child.kill("SIGKILL");
      },
    };
  },
  async attached(master) {
    await attach(master);
    const ours = await OurServer.serve(master);
    keepApart(ours.child.pid);
    return {
      ours,
      async end() {
        await ours.kill();
        await detach(master);
      },
    };
  },
  async loaded(master) {
    await attach(master);
    const loadProcess = fork(join(HERE, "load_process.mjs"), [master.dir, master.database.ours]);
    keepApart(loadProcess.pid);
    const [{ origin, pid }] = await once(loadProcess, "message");
    keepApart(pid);
    const ours = Object.assign(new OurServer(), { origin });
    return {
      ours,
      async end() {
        loadProcess.send("end");
        const [{ answers }] = await once(loadProcess, "message");
        await detach(master);
        return answers;
      },
    };
  },
};

function pin(pid, processors) {
  if (options.apart) execFileSync("taskset", ["-a", "-c", "-p", processors, `${pid}`], { stdio: "ignore" });
}
const keepApart = (pid) => pin(pid, `1-${PROCESSORS - 1}`);

const CHOSEN = options.situation ?? Object.keys(SITUATIONS);

// The measurements of one situation in one round.
async function round(master, situation) {
  const { ours, end } = await SITUATIONS[situation](master);
  const theirs = await listenToTheirs(master);
  const heard = ours && (await listenToOurs(ours));
  await sleep(500);
  const from = now();
  await master.build(...BUILDS);
  if (ours) {
    const { builds: [{ buildid }] } = await master.get("builds?order=-buildid&limit=1");
    await receivedEndOf((await master.stepsOf(buildid)).at(-1).stepid, heard);
  }
  const to = now();
  heard?.close();
  theirs.close();
  const answers = await end();
  return { situation, from, to, theirs: theirs.events, ours: heard?.events ?? [], answers };
}

async function measure(kind) {
  const master = await Master.create(kind);
  const timings = join(master.dir, "timings.jsonl");
  master.env.BB_TIMINGS = timings;
  const rounds = [];
  try {
    await master.start();
    pin(master.child.pid, "0");
    // The first builds run with cold caches.
    await master.build(...BUILDS);
    for (let n = 0; n < ROUNDS; n += 1) {
      for (const situation of CHOSEN) rounds.push(await round(master, situation));
    }
    await master.stop();
    const writes = readFileSync(timings, "utf8").trim().split("\n").map((line) => JSON.parse(line));
    for (const each of rounds) each.writes = writes.filter(({ at }) => at > each.from && at < each.to);
  } finally {
    await master.cleanUp();
  }
  return rounds;
}

// The delay from commit to receipt of each event, for our listener and the master's own.
function delays({ writes, ours, theirs }) {
  const commits = new Map();
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  const numbers = new Map(ours.map(({ step }) => [`${step.buildid}/${step.number}`, step.stepid]));
  for (const { at, steps } of writes.filter(({ steps }) => steps)) {
    for (const [kind, ...which] of steps) add(commits, `${kind} ${which.length === 2 ? numbers.get(which.join("/")) : which[0]}`, at);
  }
  const after = (events) => {
    const times = new Map();
    for (const { kind, step, at } of events) add(times, `${kind} ${step.stepid}`, machine(at));
    // Where the master wrote an unchanged value, there is no event.
    return [...commits].flatMap(([key, at]) => (times.get(key)?.length === at.length ? at.map((each, n) => times.get(key)[n] - each) : []));
  };
  return { ours: after(ours), theirs: after(theirs) };
}

const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
const shown = (value) => (value === undefined || value === null ? "" : value.toFixed(value < 10 ? 1 : 0));
function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [quantile(sorted, 0.5), quantile(sorted, 0.99), sorted.at(-1)].map(shown);
}
const row = (cells) => `| ${cells.join(" | ")} |`;

function report(kind, rounds) {
  const rows = [
    ["builds, s", "each round"], ["writes, ms", "p50"], ["", "p99"], ["", "max"], ["", `over ${LIMIT} ms`],
    ["but for processor and garbage", "p50"], ["", "p99"], ["", "max"], ["", `over ${LIMIT} ms`],
    ["waits for a lock, ms", "number"], ["", "max"], ["", `over ${LIMIT} ms`],
    ["ours heard after, ms", "p50"], ["", "p99"], ["", "max"], ["", "over 100 ms"],
    ["its own heard after, ms", "p50"], ["", "p99"], ["", "max"], ["of the load", "queries answered"],
  ];
  const lists = [];
  for (const situation of CHOSEN) {
    const mine = rounds.filter((each) => each.situation === situation);
    const writes = mine.flatMap((each) => each.writes.map((write) => ({ situation, ...write })));
    lists.push(...writes);
    const times = (pick) => [...spread(writes.map(pick)), writes.filter((each) => pick(each) > LIMIT).length];
    const locks = writes.map(({ lock }) => lock).filter((ms) => ms > 0);
    const known = writes.every(({ lock }) => lock !== null);
    const heard = mine.map(delays);
    const ours = heard.flatMap((each) => each.ours);
    const cells = [
      mine.map((each) => ((each.writes.at(-1).at - each.from) / 1000).toFixed(1)).join(", "),
      ...times(({ took }) => took),
      // The rest may be the database's: Python's collector and the run queue are excluded.
      ...times(({ took, queue, garbage }) => took - queue - garbage),
      ...(known ? [locks.length, shown(Math.max(0, ...locks)), locks.filter((ms) => ms > LIMIT).length] : ["not known", "", ""]),
      ...spread(ours), ours.length ? `${ours.filter((ms) => ms > 100).length} of ${ours.length}` : "",
      ...spread(heard.flatMap((each) => each.theirs)),
      mine.reduce((sum, each) => sum + (each.answers ?? 0), 0) || "",
    ];
    cells.forEach((cell, n) => rows[n].push(cell));
  }
  const table = (head, body) => [row(head), row(head.map(() => "---")), ...body.map(row), ""];
  const worst = (title, by) => {
    const chosen = lists.filter((each) => each[by] > 0).sort((a, b) => b[by] - a[by]).slice(0, 8);
    const numbers = ({ took, lock, cpu, queue, garbage }) => [took, lock, cpu, queue, garbage].map(shown);
    const body = chosen.map((each) => [each.situation, each.failed ? `${each.what}: ${each.failed}` : each.what, ...numbers(each)]);
    return [`${title}, ms:`, "", ...table(["", "write", "took", "waited for a lock", "worked", "waited for a processor", "garbage"], body)];
  };
  return [
    `## ${kind}`, "",
    ...table(["", "", ...CHOSEN], rows),
    ...worst("The slowest writes", "took"),
    ...worst("The longest waits for a lock", "lock"),
  ].join("\n");
}

for (const kind of options.only) console.log(report(kind, await measure(kind)));
