// What can be asked of our server while a master works: subscribers, large nested queries, and retention all the time.
import assert from "node:assert/strict";
import { hearOurs } from "./hear.mjs";
import { Ours } from "./ours.mjs";

const RETENTION = ["--feed-keep-events", "50", "--feed-prune-seconds", "1"];
// All ask from one address, and for more than a page may: what is measured is what it costs the master.
const UNLIMITED = ["--rate-points", "0", "--max-cost", "1000000", "--max-values", "10000000"];
const SUBSCRIBERS = 20;

const HEAVY = `{
  builders { nodes { name tags builds(last: 30) { nodes { number results stateString steps {
    stepid number name startedAt completeAt stateString results urls { name url } build { buildid builder { name } }
  } } } } }
  steps(last: 500, orderBy: [{ field: NAME, direction: DESC }]) { totalCount nodes { stepid name stateString } }
}`;

// So many ask without a pause.
export async function load(master, askedBy) {
  const ours = await Ours.serve(master, ...RETENTION, ...UNLIMITED);
  const subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => hearOurs(ours)));
  let asking = true;
  let answers = 0;
  const askers = Array.from({ length: askedBy }, async () => {
    while (asking) {
      const { errors } = await ours.post(HEAVY);
      assert.equal(errors, undefined, JSON.stringify(errors));
      answers += 1;
    }
  });
  // A failure is told when it is stopped.
  const asked = Promise.allSettled(askers);
  return {
    ours,
    subscribers,
    answers: () => answers,
    async stop() {
      asking = false;
      for (const subscriber of subscribers) subscriber.close();
      const failed = (await asked).filter(({ status }) => status === "rejected");
      await ours.kill();
      assert.deepEqual(failed, []);
    },
  };
}
