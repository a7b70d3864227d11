// Connections are cut, our server is killed, the master is killed: nothing is lost and nothing arrives twice.
import assert from "node:assert/strict";
import { compareEvents, lastStates, wellFormed } from "./compare.mjs";
import { lastStep, onEach } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf, until } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach } from "./our_server.mjs";

const BUILDS = ["brisk", "dups", "plain", "lock-a", "lock-b", "brisk"];
const RETRY = 5;

// Waits until a listener has received this many more events.
async function more(heard, count = 30) {
  const before = heard.events.length;
  await until(() => heard.error || heard.events.length >= before + count, () => `${count} more events after ${before}, heard ${heard.events.length}`);
  assert(!heard.error, heard.error?.message);
}

onEach("a subscription that is cut, and a server that is killed", async (kind) => {
  const master = await Master.create(kind);
  const open = [];
  let ours;
  try {
    await master.start();
    await attach(master);
    ours = await OurServer.serve(master);
    const they = await listenToTheirs(master);
    const all = await listenToOurs(ours);
    let part = await listenToOurs(ours);
    open.push(they, all, part);
    for (const name of BUILDS) await master.force(name);

    const parts = [];
    for (let cut = 0; cut < 3; cut += 1) {
      await more(part);
      part.close();
      // Events in flight were not recorded: they arrive again after the cursor.
      const taken = part.events.slice();
      parts.push(...taken);
      await more(they);
      part = await listenToOurs(ours, taken.at(-1).cursor);
      open.push(part);
    }
    await more(part);
    await ours.restart();
    await more(part);
    await ours.kill();
    await more(they);
    await ours.restart();
    await master.idle();
    await receivedEndOf(await lastStep(master), all, part, they);

    assert(all.connections >= 3, `${all.connections}`);
    for (const events of [all.events, [...parts, ...part.events]]) {
      wellFormed(events);
      compareEvents(events, they.events);
    }
    await lastStates(master, all.events);
    await master.stop();
  } finally {
    for (const each of open) each.close();
    await ours?.kill();
    await master.cleanUp();
  }
});

onEach("a master that is killed finishes its steps when it starts again, and that is heard", async (kind) => {
  const master = await Master.create(kind);
  let ours, we, before, behind;
  try {
    await master.start();
    await attach(master);
    ours = await OurServer.serve(master);
    before = await listenToTheirs(master);
    we = await listenToOurs(ours);
    await master.force("sleeps");
    await master.running("sleeps", "sleeper", (step) => step.locks_acquired_at !== null);
    await master.force("waits");
    await master.running("waits", "waiter");
    for (const name of BUILDS) await master.force(name);
    await more(we);
    await master.kill();
    const running = (await master.database.sql("SELECT id FROM builds WHERE complete_at IS NULL")).flat();
    const unfinished = (await master.database.sql("SELECT id FROM steps WHERE complete_at IS NULL")).flat();
    assert(running.length >= 2 && unfinished.length >= 2, `${running} ${unfinished}`);

    await master.start();
    behind = await listenToTheirs(master);
    await receivedEndOf(unfinished[0], we);
    // The same requests are built again.
    const holder = await master.running("sleeps", "sleeper", (step) => step.locks_acquired_at !== null);
    await master.stopBuild(holder);
    await master.idle();
    await receivedEndOf(await lastStep(master), we, behind);

    wellFormed(we.events);
    await lastStates(master, we.events);
    for (const stepid of unfinished) {
      const { kind: last, step } = we.events.findLast((event) => event.step.stepid === stepid);
      assert.deepEqual([last, step.results, step.hidden], ["finished", RETRY, false]);
    }
    // The master sent no further events of a build that ran when it was killed.
    const whole = ({ events }) => events.filter(({ step }) => !running.includes(step.buildid));
    compareEvents(whole(we), [...whole(before), ...whole(behind)]);
    await master.stop();
  } finally {
    for (const each of [we, before, behind]) each?.close();
    await ours?.kill();
    await master.cleanUp();
  }
});
