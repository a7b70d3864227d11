// An attack of each kind on a server with default flags, on a database that is made in a second: memory stays bounded
// and comes back, and the honest caller is served. `scripts/attack` runs them all, on the release build, and also judges
// how soon.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ATTACKS } from "./list.mjs";
import { LEFT, MANY_THREADS, MOST, measure } from "./measure.mjs";

// Not among them: 20,000 subscriptions, beside which a debug build on two processors is too slow to say anything.
const TESTED = [
  "variables: arrays of objects, WebSocket",
  "variables: nested arrays, POST",
  "variables: objects, SSE",
  "variables: in a batch",
  "refusals: 600 bodies with a bad token",
  "refusals: 900 unfinished bodies of callers who may read",
  "messages: 490 of 1 MiB in one unfinished frame",
  "messages: 100 of 1 MiB in fragments of 8 bytes",
  "statements: 24 that wait",
  "statements: 24 that leave",
  "statements: 24 filters of REST",
  "unread answers: 20,000 objects",
  "unread answers: 500 objects, 600 aliases of a text",
  "unread answers: long names of fields",
  "unread answers: batches of long texts",
  "unread answers: REST of escaped texts",
  "floods: filters of 70,000 conditions",
  "floods: refused tokens on /metrics",
  "floods: /readyz",
];

let dir;
before(() => (dir = mkdtempSync(join(tmpdir(), "attack-"))));
after(() => rmSync(dir, { recursive: true, force: true }));

for (const name of TESTED) {
  test(name, async () => {
    const attack = ATTACKS.find((attack) => attack.name === name);
    const shape = attack.shape === "large" ? "medium" : attack.shape;
    const threads = attack.threaded ? MANY_THREADS : undefined;
    const seen = await measure(dir, attack, { hold: 1_000, rest: 20_000, patience: 60_000, shape, threads });
    assert(seen.isAlive && !seen.killed, `the server ended at ${seen.peak} MiB`);
    assert(seen.peak < MOST, `${seen.peak} MiB`);
    assert(seen.after <= seen.idle + LEFT, `${seen.idle} MiB before, ${seen.after} MiB after`);
    assert(Object.keys(seen.outcome).every((outcome) => outcome !== "the attack broke"), "the attack broke");
    // A debug build may be slow, and how soon is not what is tested: `scripts/attack` judges the release build.
    const isLate = (why) => /max-seconds|other callers keep the database busy/.test(why);
    assert.deepEqual(seen.failures.filter((why) => !isLate(why)).slice(0, 3), [], `of ${seen.asked} honest requests`);
    assert.equal(seen.unbegun, 0, `of ${seen.subscriptions} subscriptions`);
  });
}
