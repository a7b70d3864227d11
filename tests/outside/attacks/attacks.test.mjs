// Each attack on a server with default flags, on a database that is made in a second: memory stays bounded and comes
// back, and the honest caller is served. `scripts/attack` also judges how soon, on the release build.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ATTACKS } from "./list.mjs";
import { LEFT, MANY_THREADS, MOST, measure } from "./measure.mjs";

let dir;
before(() => (dir = mkdtempSync(join(tmpdir(), "attack-"))));
after(() => rmSync(dir, { recursive: true, force: true }));

for (const attack of ATTACKS) {
  test(attack.name, async () => {
    const shape = attack.shape === "large" ? "medium" : attack.shape;
    const threads = attack.threaded ? MANY_THREADS : undefined;
    const seen = await measure(dir, attack, { hold: 1_000, rest: 20_000, patience: 60_000, shape, threads });
    assert(seen.isAlive && !seen.killed, `the server ended at ${seen.peak} MiB`);
    assert(seen.peak < MOST, `${seen.peak} MiB`);
    assert(seen.after <= seen.idle + LEFT, `${seen.idle} MiB before, ${seen.after} MiB after`);
    assert(Object.keys(seen.outcome).every((outcome) => outcome !== "the attack broke"), "the attack broke");
    // A debug build with that many threads may be slow, and how soon is not what is tested.
    const isLate = (why) => threads && why.includes("max-seconds");
    assert.deepEqual(seen.failures.filter((why) => !isLate(why)).slice(0, 3), [], `of ${seen.asked} honest requests`);
    assert.equal(seen.unbegun, 0, `of ${seen.subscriptions} subscriptions`);
  });
}
