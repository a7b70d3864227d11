// Our triggers are dropped: subscribers are interrupted, queries continue, and attaching again repairs the feed.
import assert from "node:assert/strict";
import { compareEvents } from "./compare.mjs";
import { lastStep, onEach } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf, until } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach, detach } from "./our_server.mjs";

onEach("the feed's triggers are dropped while somebody listens", async (kind) => {
  const master = await Master.create(kind);
  const open = [];
  const listen = async (...args) => {
    open.push(await listenToOurs(...args));
    return open.at(-1);
  };
  const code = async (heard) => {
    await until(() => heard.error, () => `an error, heard ${heard.events.length}`);
    return heard.error.extensions?.code;
  };
  // It tries again until the feed is back.
  const isDetached = (heard) => until(() => heard.closes.some((why) => why.startsWith("FEED_DETACHED")), () => `${heard.closes}`);
  const readyIs = (status) => until(async () => (await ours.ready())[0] === status, () => `/readyz says ${status}`);
  let ours;
  try {
    await master.start();
    // Before attaching, queries work, and subscribers get an error with advice.
    ours = await OurServer.serve(master);
    const early = await ours.post("{ eventCursor }");
    assert.equal(early.errors[0].extensions.code, "FEED_DETACHED");
    assert.match(early.errors[0].message, /attach/);
    await attach(master);
    await readyIs(200);

    for (const triggers of [master.database.triggers, [master.database.triggers[0]]]) {
      const we = await listen(ours);
      await receivedEndOf(await lastStep(master), we);
      const { cursor } = we.events.at(-1);
      await master.database.sql(...triggers);
      await isDetached(we);
      await until(async () => (await ours.ready())[1].includes("attach"), () => "/readyz says what to do");
      await isDetached(await listen(ours, cursor));
      const unheard = await lastStep(master);
      const { step } = await ours.ask(`{ step(stepid: ${unheard}) { complete } }`);
      assert.equal(step.complete, true);

      assert.notDeepEqual(await attach(master), []);
      await readyIs(200);
      // Changes were missed.
      assert.equal(await code(we), "CURSOR_EXPIRED");
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
