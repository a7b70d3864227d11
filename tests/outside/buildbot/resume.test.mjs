// Connections are cut, our server is killed, the master is killed: nothing is lost and nothing comes twice.
import assert from "node:assert/strict";
import { agree, lastStates, wellFormed } from "./agree.mjs";
import { lastStep, onEach } from "./drive.mjs";
import { hearOurs, hearTheirs, heardEndOf, until } from "./hear.mjs";
import { Master } from "./master.mjs";
import { Ours, attach } from "./ours.mjs";

const BUILDS = ["brisk", "dups", "plain", "lock-a", "lock-b", "brisk"];
const RETRY = 5;

// Waits until somebody has heard so many more.
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
    ours = await Ours.serve(master);
    const they = await hearTheirs(master);
    const all = await hearOurs(ours);
    let part = await hearOurs(ours);
    open.push(they, all, part);
    for (const name of BUILDS) await master.force(name);

    const parts = [];
    for (let cut = 0; cut < 3; cut += 1) {
      await more(part);
      part.close();
      // What was under way is not taken: it comes again behind the cursor.
      const taken = part.events.slice();
      parts.push(...taken);
      await more(they);
      part = await hearOurs(ours, taken.at(-1).cursor);
      open.push(part);
    }
    await more(part);
    await ours.restart();
    await more(part);
    await ours.kill();
    await more(they);
    await ours.restart();
    await master.idle();
    await heardEndOf(await lastStep(master), all, part, they);

    assert(all.connections >= 3, `${all.connections}`);
    for (const events of [all.events, [...parts, ...part.events]]) {
      wellFormed(events);
      agree(events, they.events);
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
    ours = await Ours.serve(master);
    before = await hearTheirs(master);
    we = await hearOurs(ours);
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
    behind = await hearTheirs(master);
    await heardEndOf(unfinished[0], we);
    // The same requests are built again.
    const holder = await master.running("sleeps", "sleeper", (step) => step.locks_acquired_at !== null);
    await master.stopBuild(holder);
    await master.idle();
    await heardEndOf(await lastStep(master), we, behind);

    wellFormed(we.events);
    await lastStates(master, we.events);
    for (const stepid of unfinished) {
      const { kind: last, step } = we.events.findLast((event) => event.step.stepid === stepid);
      assert.deepEqual([last, step.results, step.hidden], ["finished", RETRY, false]);
    }
    // Of a build that ran when the master was killed it said nothing more.
    const whole = ({ events }) => events.filter(({ step }) => !running.includes(step.buildid));
    agree(whole(we), [...whole(before), ...whole(behind)]);
    await master.stop();
  } finally {
    for (const each of [we, before, behind]) each?.close();
    await ours?.kill();
    await master.cleanUp();
  }
});
