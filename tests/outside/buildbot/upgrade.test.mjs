// A master of 3.11.9 is upgraded to 4.3.0 with our feed in its database.
import assert from "node:assert/strict";
import { compareBuilds, compareEvents, ordered, wellFormed } from "./compare.mjs";
import { lastStep, onEach, oneMore } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf, receivedEndOfBuild, until } from "./listeners.mjs";
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
    await until(async () => (await ours.feed()) === "ok", () => "the server finds the feed");
    const cursor = await ours.cursor();
    const [steps, builds] = [await listenToOurs(ours, cursor), await listenToOurs(ours, cursor, "buildEvents")];
    open.push(steps, builds);

    for (const each of [master, alone]) {
      each.python = given("BUILDBOT_PYTHON");
      await each.buildbot("upgrade-master", each.dir);
    }
    const [[version]] = await master.database.sql("SELECT version_num FROM alembic_version");
    assert.equal(version, "067");
    // On SQLite its upgrade recreates the table of builds, without our triggers.
    const isPartial = kind === "SQLite";
    await until(async () => (await ours.feed()).includes(isPartial ? "changes of builds are not recorded" : "ok"), () => "/readyz says so");
    assert.equal(await ours.records("builds"), !isPartial);
    await master.start();
    await heard();
    assert.equal((await ours.ready())[0], 200);
    const changed = (await attach(master)).filter((line) => /^(added|removed) /.test(line));
    assert.equal(changed.length > 0, isPartial, changed.join("\n"));
    assert(changed.every((line) => line.includes("graphql_builds_")), changed.join("\n"));
    await until(async () => (await ours.feed()) === "ok", () => "every noun is recorded");
    if (isPartial) {
      await until(() => builds.error, () => "builds were missed");
      assert.equal(builds.error.extensions.code, "FEED_DETACHED");
    }
    const [they, again] = [await listenToTheirs(master, ["builds", "steps"]), await listenToOurs(ours, undefined, "events")];
    const replayed = await listenToOurs(ours, cursor);
    open.push(they, again, replayed);
    const end = await oneMore(master);
    const last = (await master.stepsOf(end)).at(-1).stepid;
    await receivedEndOfBuild(end, again, they);
    await receivedEndOf(last, steps, replayed);
    ordered(again.events);
    compareBuilds(again.events, they.events);
    compareEvents(again.events, they.events);
    assert(!steps.error && !steps.closes.some((why) => why.startsWith("FEED_DETACHED")), `${steps.closes} ${steps.error?.message}`);
    const lives = ({ events }) => events.map((event) => [event.cursor, event.kind, event.step]);
    assert.deepEqual(lives(replayed), lives(steps));
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
