// Runs the attacks whose names contain one of the arguments, or all, and prints what each did.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ATTACKS } from "./list.mjs";
import { LEFT, MANY_THREADS, MOST, measure } from "./measure.mjs";

// Milliseconds that an honest caller may wait in one of a hundred cases.
const SLOW = 250;
// Milliseconds of an attack.
const HOLD = 5_000;

const wanted = process.argv.slice(2);
const attacks = ATTACKS.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
// On a small machine the threads of a large one slow everybody down, so there memory alone counts.
const runs = attacks.flatMap((attack) => [{ attack }, ...(attack.threaded ? [{ attack, threads: MANY_THREADS }] : [])]);

const cell = (value, width) => String(value ?? "-").padStart(width);
function row(name, cells, note) {
  console.log(`${name.padEnd(72)} ${cells.map((value) => cell(value, 8)).join(" ")}  ${note}`);
}

function breaches(of, judgesTime) {
  const found = [];
  if (of.peak >= MOST) found.push(`peak over ${MOST} MiB`);
  if (of.killed) found.push("killed by us");
  else if (!of.isAlive) found.push("ended");
  if (of.after > of.idle + LEFT) found.push(`holds ${of.after - of.idle} MiB`);
  if (judgesTime && of.p99 >= SLOW) found.push(`p99 over ${SLOW} ms`);
  const failures = of.failures.filter((why) => judgesTime || !why.includes("max-seconds"));
  if (failures.length) found.push(`${failures.length} of ${of.asked} honest failed: ${failures[0]}`);
  if (of.unbegun) found.push(`${of.unbegun} of ${of.subscriptions} honest subscriptions did not begin`);
  return found;
}

const dir = mkdtempSync(join(tmpdir(), "attack-"));
let broken = 0;
try {
  row("MiB, milliseconds", ["idle", "peak", "after", "p50", "p99", "points"], "outcome");
  for (const { attack, threads } of runs) {
    const result = await measure(dir, attack, { hold: HOLD, rest: 10_000, patience: 30_000, threads });
    const found = breaches(result, !threads);
    if (found.length) broken++;
    const outcome = Object.entries(result.outcome).map(([seen, times]) => `${seen}: ${times}`).join(", ");
    const { idle, peak, after, p50, p99, points } = result;
    row(threads ? `${attack.name} (${threads} threads)` : attack.name, [idle, peak, after, p50, p99, points], `${found.length ? `BREACH ${found.join("; ")} | ` : ""}${outcome}`);
  }
  console.log(`${runs.length} attacks, ${broken} with a breach`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = broken || attacks.length === 0 ? 1 : 0;
