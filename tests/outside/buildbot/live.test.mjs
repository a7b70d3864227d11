// Next to a running master: our events match its own, and our responses match its REST.
import assert from "node:assert/strict";
import { compareEvents, lastStates, wellFormed } from "./compare.mjs";
import { ALL, cancels, lastStep, onEach } from "./builds.mjs";
import { listenToOurs, listenToTheirs, receivedEndOf } from "./listeners.mjs";
import { sameLogs } from "./log_paths.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach } from "./our_server.mjs";
import { sameAnswers } from "./rest.mjs";

const UPDATES = [
  "newStep(buildid: 1, name: \"a\") { cursor }",
  "startStep(stepid: 1) { cursor }",
  "setStepStateString(stepid: 1, stateString: \"a\") { cursor }",
  "addStepURL(stepid: 1, name: \"a\", url: \"http://a/\") { cursor }",
  "finishStep(stepid: 1, results: SUCCESS) { cursor }",
  "findBuilder(name: \"new\") { builderid }",
  "addBuild(builderid: 1) { build { buildid } }",
];

onEach("every event of a step is heard from both, and both answer the same", async (kind) => {
  const master = await Master.create(kind);
  let ours, we, they;
  try {
    await master.start();
    assert.notDeepEqual(await attach(master), []);
    ours = await OurServer.serve(master);
    they = await listenToTheirs(master);
    we = await listenToOurs(ours);
    for (const name of ALL) await master.force(name);
    await cancels(master);
    await master.idle();
    await receivedEndOf(await lastStep(master), we, they);

    compareEvents(we.events, they.events);
    wellFormed(we.events);
    await lastStates(master, we.events);
    for (const update of UPDATES) {
      const { errors } = await ours.post(`mutation { ${update} }`);
      assert.deepEqual(errors?.map(({ extensions }) => extensions.code), ["READ_ONLY"], update);
    }
    await sameAnswers(master, ours);
    assert(await sameLogs(master, ours) > 1_000);
    await master.stop();
  } finally {
    we?.close();
    they?.close();
    await ours?.kill();
    await master.cleanUp();
  }
});
