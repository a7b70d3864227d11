// Builders, builds and steps in one stream: everything that a master does is heard once, in the order of its commits.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { compareBuilds, compareEvents, lastBuildStates, lastStates, ordered, wellFormed } from "./compare.mjs";
import { ALL, cancels, onEach, oneMore } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOfBuild, until } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach } from "./our_server.mjs";

const SUCCESS = 0, WARNINGS = 1, FAILURE = 2, EXCEPTION = 4, RETRY = 5, CANCELLED = 6;

onEach("every event of builds and steps is heard, across cuts and a killed server", async (kind) => {
  const master = await Master.create(kind);
  const open = [];
  let ours;
  const listen = async (...args) => {
    open.push(await listenToOurs(ours, ...args));
    return open.at(-1);
  };
  try {
    await master.start();
    await attach(master);
    ours = await OurServer.serve(master);
    const they = await listenToTheirs(master, ["builds", "steps"]);
    open.push(they);
    const [all, builds] = [await listen(undefined, "events"), await listen(undefined, "buildEvents")];
    let part = await listen(undefined, "events");
    const parts = [];
    for (const name of ALL) await master.force(name);
    for (let cut = 0; cut < 3; cut += 1) {
      const before = part.events.length;
      await until(() => part.error || part.events.length > before + 20, () => `more than ${before}`);
      part.close();
      const taken = part.events.slice();
      parts.push(...taken);
      await until(() => they.events.length > parts.length + 20, () => `the master goes on: ${they.events.length}`);
      part = await listen(taken.at(-1).cursor, "events");
    }
    await ours.restart();
    await cancels(master);
    await master.idle();
    const rebuilt = await master.builderid("dups");
    const { builds: [{ buildid: first }] } = await master.get(`builders/${rebuilt}/builds?limit=1`);
    await master.control(`builds/${first}`, "rebuild", {});
    await master.idle();
    await receivedEndOfBuild(await oneMore(master), all, builds, part, they);

    assert(all.connections >= 2, `${all.connections}`);
    for (const events of [all.events, [...parts, ...part.events]]) {
      ordered(events);
      wellFormed(events.filter(({ step }) => step));
      compareBuilds(events, they.events);
      compareEvents(events, they.events);
      await lastBuildStates(master, events);
      await lastStates(master, events);
    }
    const about = ({ kind: what, cursor, build }) => ({ kind: what, cursor, build });
    assert.deepEqual(builds.events.map(about), all.events.filter(({ build }) => build).map(about));
    const ends = all.events.filter(({ kind: what, build }) => what === "finished" && build).map(({ build }) => build);
    const results = new Set(ends.map((build) => build.results));
    assert.deepEqual([...results].sort(), [SUCCESS, WARNINGS, FAILURE, EXCEPTION, RETRY, CANCELLED]);
    assert.equal(ends.filter(({ builderid }) => builderid === rebuilt).length, 3, "forced, triggered by a parent, rebuilt");
    assert(ends.some((build) => build.locks_duration_s > 0), "a build that waited for a lock");
    await master.stop();
  } finally {
    for (const each of open) each.close();
    await ours?.kill();
    await master.cleanUp();
  }
});

onEach("new and changed builders are heard", async (kind) => {
  const master = await Master.create(kind);
  let ours, we;
  try {
    await master.start();
    await attach(master);
    ours = await OurServer.serve(master);
    we = await listenToOurs(ours, undefined, "events");
    const one = await master.builderid("1");
    appendFileSync(join(master.dir, "master.cfg"), `
builder("added", sh("one", "true"), tags=["late"])
builders[[b.name for b in builders].index("1")].tags = ["numeric", "changed"]
c["schedulers"].append(schedulers.ForceScheduler(name="late", builderNames=["added"]))
`);
    master.child.kill("SIGHUP");
    const last = (name) => we.events.findLast(({ builder }) => builder?.name === name);
    await until(() => last("added")?.builder.tags.length === 1, () => `the new builder, ${JSON.stringify(last("added"))}`);
    await until(() => last("1")?.builder.tags.length === 2, () => `the changed builder, ${JSON.stringify(last("1"))}`);
    const { kind: first, builder } = we.events.find((event) => event.builder?.name === "added");
    assert.equal(first, "new");
    assert.deepEqual(last("added").builder.tags, ["late"]);
    assert.deepEqual([last("1").kind, last("1").builder.builderid], ["updated", one]);
    assert.deepEqual(last("1").builder.tags.toSorted(), ["changed", "numeric"]);
    const { builders } = await master.get(`builders/${builder.builderid}`);
    assert.equal(builders[0].name, "added");
    await receivedEndOfBuild(await oneMore(master), we);
    const kinds = we.events.filter((event) => event.builder?.name === "added").map((event) => event.kind);
    assert.deepEqual(kinds.filter((each) => each === "new"), ["new"]);
    ordered(we.events);
    await master.stop();
  } finally {
    we?.close();
    await ours?.kill();
    await master.cleanUp();
  }
});
