// A master of 3.11.9 is upgraded to 4.3.0 with our feed in its database.
import assert from "node:assert/strict";
import { compareEvents, wellFormed } from "./compare.mjs";
import { lastStep, onEach } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf } from "./listeners.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach, detach } from "./our_server.mjs";
import { given } from "./run.mjs";

// Where its upgrade recreates a table on SQLite, Buildbot writes the foreign keys in an order that changes with each
// run.
const inAnyOrder = (row) => JSON.stringify(row).split("\\n").map((line) => line.replace(/(,?\s|\\t)+/g, " ").trim()).sort();

onEach("an upgrade from 3.11.9 while attached", async (kind) => {
  const master = await Master.create(kind, { python: given("BUILDBOT_3_PYTHON") });
  const alone = await Master.create(kind, { python: given("BUILDBOT_3_PYTHON") });
  const open = [];
  let ours;
  try {
    await master.start();
    await master.build("dups");
    const before = await master.database.schema();
    assert.notDeepEqual(await attach(master), []);
    ours = await OurServer.serve(master);
    const heard = async () => {
      const [they, we] = [await listenToTheirs(master), await listenToOurs(ours)];
      open.push(they, we);
      await master.build("plain");
      await receivedEndOf(await lastStep(master), we, they);
      compareEvents(we.events, they.events);
      wellFormed(we.events);
    };
    await heard();
    await master.stop();
    await detach(master);
    assert.deepEqual(await master.database.schema(), before);
    await attach(master);

    for (const each of [master, alone]) {
      each.python = given("BUILDBOT_PYTHON");
      await each.buildbot("upgrade-master", each.dir);
    }
    const [[version]] = await master.database.sql("SELECT version_num FROM alembic_version");
    assert.equal(version, "067");
    await master.start();
    await heard();
    assert.equal((await ours.ready())[0], 200);
    await detach(master);
    await master.stop();
    // A master's start changes no schema except that it enables write-ahead logging on SQLite.
    await alone.start();
    await alone.build("1");
    await alone.stop();
    const [upgraded, theirs] = await Promise.all([master, alone].map((each) => each.database.schema()));
    assert.deepEqual(upgraded.map(inAnyOrder), theirs.map(inAnyOrder));
  } finally {
    for (const each of open) each.close();
    await ours?.kill();
    await master.cleanUp();
    await alone.cleanUp();
  }
});
