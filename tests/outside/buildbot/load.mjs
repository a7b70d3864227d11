// Load on our server while a master works: subscribers, large nested queries, and constant retention.
import assert from "node:assert/strict";
import { listenToOurs } from "./listeners.mjs";
import { OurServer } from "./our_server.mjs";

const RETENTION = ["--feed-keep-events", "50", "--feed-prune-seconds", "1"];
// All requests come from one address and exceed page limits: the measurement is about the cost to the master.
const UNLIMITED = ["--rate-points", "0", "--max-cost", "1000000", "--max-values", "10000000"];
const SUBSCRIBERS = 20;

const HEAVY = `{
  builders { nodes { name tags builds(last: 30) { nodes { number results stateString steps {
    stepid number name startedAt completeAt stateString results urls { name url } build { buildid builder { name } }
  } } } } }
  steps(last: 500, orderBy: [{ field: NAME, direction: DESC }]) { totalCount nodes { stepid name stateString } }
}`;

// This many clients send without a pause.
export async function load(master, askedBy) {
  const ours = await OurServer.serve(master, ...RETENTION, ...UNLIMITED);
  const subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => listenToOurs(ours)));
  let asking = true;
  let answers = 0;
  const askers = Array.from({ length: askedBy }, async () => {
    while (asking) {
      const { errors } = await ours.post(HEAVY);
      assert.equal(errors, undefined, JSON.stringify(errors));
      answers += 1;
    }
  });
  // A failure is reported on stop.
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
