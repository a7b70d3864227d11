// Our triggers are dropped: subscribers are interrupted, queries continue, and attaching again repairs the feed. Where
// those of builds alone are dropped, subscribers to steps notice nothing.
import assert from "node:assert/strict";
import { compareBuilds, compareEvents, ordered, wellFormed } from "./compare.mjs";
import { lastStep, onEach, oneMore } from "./builds.mjs";
import { TRIGGERS } from "./database.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf, receivedEndOfBuild, until } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach, detach } from "./our_server.mjs";

const code = async (heard) => {
  await until(() => heard.error, () => `an error, heard ${heard.events.length}`);
  return heard.error.extensions?.code;
};
// Without a feed the socket is closed, and tries again until it is back. Without one noun, its subscription alone ends.
const wasDetached = ({ closes, error }) =>
  closes.some((why) => why.startsWith("FEED_DETACHED")) || error?.extensions?.code === "FEED_DETACHED";
const isDetached = (heard) => until(() => wasDetached(heard), () => `${heard.closes}`);
const feedIs = (ours, text) => until(async () => (await ours.feed()).includes(text), () => `/readyz says ${text}`);
// Drops these triggers.
const drop = ({ database }, triggers) => database.sql(...triggers.map((trigger) => database.dropTrigger(...trigger)));

onEach("the feed's triggers are dropped while somebody listens", async (kind) => {
  const master = await Master.create(kind);
  const open = [];
  const listen = async (...args) => {
    open.push(await listenToOurs(...args));
    return open.at(-1);
  };
  let ours;
  try {
    await master.start();
    // Before attaching, queries work, and subscribers get an error with advice.
    ours = await OurServer.serve(master);
    const early = await ours.post("{ eventCursor }");
    assert.equal(early.errors[0].extensions.code, "FEED_DETACHED");
    assert.match(early.errors[0].message, /attach/);
    await attach(master);
    await feedIs(ours, "ok");

    for (const triggers of [TRIGGERS, TRIGGERS.filter(([, name]) => name === "graphql_steps_insert")]) {
      const we = await listen(ours);
      await receivedEndOf(await lastStep(master), we);
      const { cursor } = we.events.at(-1);
      await drop(master, triggers);
      await isDetached(we);
      await feedIs(ours, "attach");
      await isDetached(await listen(ours, cursor));
      const unheard = await lastStep(master);
      const { step } = await ours.ask(`{ step(stepid: ${unheard}) { complete } }`);
      assert.equal(step.complete, true);

      assert.notDeepEqual(await attach(master), []);
      await feedIs(ours, "ok");
      // Changes were missed. They go one after the other, so it may have ended while others were still there.
      assert.match(await code(we), triggers === TRIGGERS ? /^(CURSOR_EXPIRED|FEED_DETACHED)$/ : /^FEED_DETACHED$/);
      assert.equal(await code(await listen(ours, cursor)), "CURSOR_EXPIRED");
      const [they, again] = [await listenToTheirs(master), await listen(ours)];
      open.push(they);
      await receivedEndOf(await lastStep(master), again, they);
      compareEvents(again.events, they.events);
    }
    await detach(master);
    await master.stop();
  } finally {
    for (const each of open) each.close();
    await ours?.kill();
    await master.cleanUp();
  }
});

onEach("the triggers of builds are dropped while a master builds", async (kind) => {
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
    const they = await listenToTheirs(master);
    open.push(they);
    const [steps, builds, all] = [await listen(), await listen(undefined, "buildEvents"), await listen(undefined, "events")];
    await receivedEndOfBuild(await oneMore(master), builds, all);
    const { cursor } = builds.events.at(-1);
    await master.force("brisk");
    await until(() => steps.events.length > 20, () => `brisk begins: ${steps.events.length}`);
    await drop(master, TRIGGERS.filter(([, name]) => name === "graphql_builds_update"));
    await Promise.all([isDetached(builds), isDetached(all)]);
    await feedIs(ours, "changes of builds are not recorded");
    await feedIs(ours, "attach");
    const recorded = async () => Promise.all(["builders", "builds", "steps"].map((nouns) => ours.records(nouns)));
    assert.deepEqual(await recorded(), [true, false, true]);
    assert(ours.log.some((line) => line.includes("changes of builds are not recorded")), ours.log.join("\n"));
    await isDetached(await listen(cursor, "buildEvents"));
    await oneMore(master);

    await master.force("brisk");
    const changed = await attach(master);
    assert(changed.length > 0 && changed.every((line) => /^(added|removed) .* graphql_builds_/.test(line)), changed.join("\n"));
    await feedIs(ours, "ok");
    assert.deepEqual(await recorded(), [true, true, true]);
    assert.deepEqual(await Promise.all([builds, all].map(code)), ["FEED_DETACHED", "FEED_DETACHED"]);
    assert.equal(await code(await listen(cursor, "buildEvents")), "CURSOR_EXPIRED");
    assert.equal(await code(await listen(cursor, "events")), "CURSOR_EXPIRED");
    const [replayed, again, behind] = [await listen(cursor), await listen(undefined, "buildEvents"), await listenToTheirs(master, ["builds"])];
    open.push(behind);
    await master.idle();
    const end = await oneMore(master);
    const [last] = (await master.stepsOf(end)).slice(-1);
    await receivedEndOf(last.stepid, steps, replayed, they);
    await receivedEndOfBuild(end, again, behind);

    // That of a build that ran before is not whole.
    const since = ({ events }) => events.filter(({ build }) => build.buildid === end);
    ordered(since(again));
    compareBuilds(since(again), since(behind));
    assert(!wasDetached(steps) && !steps.error, `${steps.closes} ${steps.error?.message}`);
    wellFormed(steps.events);
    compareEvents(steps.events, they.events);
    const cursors = ({ events }) => events.map((event) => event.cursor).filter((each) => each > cursor);
    assert.deepEqual(cursors(replayed), cursors(steps));
    await detach(master);
    await master.stop();
  } finally {
    for (const each of open) each.close();
    await ours?.kill();
    await master.cleanUp();
  }
});
