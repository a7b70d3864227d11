// The builds that masters run.
import { describe, test } from "node:test";
import { KINDS } from "./database.mjs";

// Runs a test on every kind of database, concurrently.
export function onEach(name, body) {
  describe(name, { concurrency: true }, () => {
    for (const kind of KINDS) test(`${name}, on ${kind}`, { timeout: 600_000 }, () => body(kind));
  });
}

// Warnings, failures, exceptions, retries, skipped and hidden steps, links, names, waits for locks, children.
export const ALL = [
  "plain", "lock-a", "lock-b", "parent", "with space", "ünïcode-日本", "long-rendered", "long-twice", "dups", "42", "1",
  "a/b%20c?d", "build-lock", "build-lock", "retry-step", "brisk",
];

// One build is cancelled in a running step, another in one that waits for a lock.
export async function cancels(master) {
  await master.force("sleeps");
  const holder = await master.running("sleeps", "sleeper", (step) => step.locks_acquired_at !== null);
  await master.force("waits");
  const waiter = await master.running("waits", "waiter", (step) => step.locks_acquired_at === null);
  await master.stopBuild(waiter);
  await master.stopBuild(holder);
}

// A build after all others.
export async function oneMore(master) {
  await master.build("1");
  return lastBuild(master);
}

// The last step of a build after all others: a listener that receives its end has received theirs.
export async function lastStep(master) {
  return (await master.stepsOf(await oneMore(master))).at(-1).stepid;
}

// Except on SQLite, a master does not wait for one write before the next: a trigger's last count of its children may be
// overtaken.
const uncounted = (state) => state.replace(/^(triggered children), .*/, "$1");

// The results of the builds after this one, without what varies: ids and times.
export async function outcome(master, after = 0) {
  const names = new Map((await master.get("builders")).builders.map(({ builderid, name }) => [builderid, name]));
  const { builds } = await master.get(`builds?buildid__gt=${after}&order=buildid`);
  const found = await Promise.all(builds.map(async ({ buildid, builderid, results, state_string: state }) => {
    const steps = (await master.stepsOf(buildid)).map((step) => ({
      number: step.number,
      name: step.name,
      // Either is possible.
      state: uncounted(step.state_string.replace(/^worker (one|two) ready$/, "worker ready")),
      results: step.results,
      hidden: step.hidden,
      urls: step.urls.map(({ name, url }) => [name, url].map((text) => text.replace(/\d+/g, "N").replace(/^.*\/#\//, "#/"))).sort(),
      times: [step.started_at, step.locks_acquired_at, step.complete_at].map((time) => time !== null),
    }));
    // Before a build ends, its master writes this twice without waiting in between: either value may stay.
    const said = uncounted(state.replace(/^(retry|warnings|failed|exception|cancelled) (?=.)/, ""));
    return { builder: names.get(builderid), results, state: said, steps };
  }));
  return found.map((build) => JSON.stringify(build)).sort();
}

export async function lastBuild(master) {
  const { builds } = await master.get("builds?order=-buildid&limit=1");
  return builds[0]?.buildid ?? 0;
}
