// We do a master no harm: its builds, its upgrades and its schema are the same as without us.
import assert from "node:assert/strict";
import { compareEvents, wellFormed } from "./compare.mjs";
import { lastBuild, lastStep, onEach, outcome } from "./builds.mjs";
import { listenToTheirs, receivedEndOf } from "./listeners.mjs";
import { load } from "./load.mjs";
import { Master } from "./master.mjs";
import { attach, detach } from "./our_server.mjs";

const BUILDS = ["plain", "lock-a", "lock-b", "parent", "dups", "42", "long-twice", "long-rendered", "retry-step", "brisk"];

onEach("builds come out as without us, upgrades succeed, and nothing stays behind", async (kind) => {
  const master = await Master.create(kind);
  let loaded, they;
  try {
    await master.start();
    const schema = await master.database.schema();
    await master.build(...BUILDS);
    const alone = await outcome(master);
    assert(alone.length > BUILDS.length, "children and second tries");

    const added = await attach(master);
    assert.notDeepEqual(added, []);
    const attached = await master.database.schema();
    assert.notDeepEqual(attached, schema);
    await attach(master);
    assert.deepEqual(await master.database.schema(), attached, "attached twice");

    loaded = await load(master, 1);
    they = await listenToTheirs(master);
    let last = await lastBuild(master);
    await master.build(...BUILDS);
    assert.deepEqual(await outcome(master, last), alone);
    await receivedEndOf(await lastStep(master), they, ...loaded.subscribers);
    for (const { events, error } of loaded.subscribers) {
      assert.equal(error, null);
      wellFormed(events);
      compareEvents(events, they.events);
    }
    const [[oldest]] = await master.database.sql("SELECT min(id) FROM graphql_events");
    assert(oldest > 1, "retention has deleted nothing");

    they.close();
    await master.stop();
    await master.buildbot("cleanupdb", master.dir);
    await master.buildbot("upgrade-master", master.dir);
    await master.start();
    await receivedEndOf(await lastStep(master), ...loaded.subscribers);
    assert.deepEqual(await master.database.schema(), attached, "after cleanupdb, upgrade-master and a restart");

    last = await lastBuild(master);
    const building = master.build(...BUILDS);
    let done = false;
    building.then(() => (done = true), () => (done = true));
    // A subscription ends when the feed is removed.
    for (const subscriber of loaded.subscribers) subscriber.close();
    let rounds = 0;
    for (; !done; rounds += 1) {
      await detach(master);
      await attach(master);
    }
    await building;
    assert(rounds > 1, `${rounds}`);
    assert.deepEqual(await outcome(master, last), alone, `attached and detached ${rounds} times`);

    const answers = loaded.answers();
    await heardNothingWrong(loaded, answers);
    const removed = await detach(master);
    assert.equal(removed.length, added.length, `${removed}`);
    await detach(master);
    assert.deepEqual(await master.database.schema(), schema, "detached");
    await loaded.stop();
    loaded = null;
    assert.deepEqual(await master.database.schema(), schema, "detached, and nobody looks");
    await master.build("1");
    await master.stop();
  } finally {
    they?.close();
    await loaded?.stop();
    await master.cleanUp();
  }
});

// Queries continue.
async function heardNothingWrong(loaded, before) {
  const { data } = await loaded.ours.post("{ builders { nodes { name } } }");
  assert(data.builders.nodes.length > 0);
  assert(before > 0);
}
