// What the feed's triggers add to a master's writes: a table per database, in microseconds. Asserts nothing.
//   node trigger_cost.mjs [--rounds N] [--rows N] [--only DATABASE]...
// The rounds alternate between a database with the triggers and one without, so that other load affects both alike.
// Each statement is a transaction, as a master's are.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KINDS } from "./database.mjs";
import { Master } from "./master.mjs";
import { attach, detach } from "./our_server.mjs";
import { HERE, run } from "./run.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    rows: { type: "string", default: "300" },
    only: { type: "string", multiple: true, default: KINDS },
  },
});
const [ROUNDS, ROWS] = [Number(options.rounds), Number(options.rows)];

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function measure(kind) {
  const master = await Master.create(kind);
  const { theirs, ours } = master.database;
  const url = kind === "SQLite" ? theirs.replace("sqlite:///", "") : ours;
  const took = { without: {}, with: {} };
  let first = 1000;
  try {
    // The first round warms up.
    for (let n = 0; n <= ROUNDS; n += 1) {
      for (const situation of ["without", "with"]) {
        if (situation === "with") await attach(master);
        const args = [join(HERE, "trigger_cost.py"), url, `${first}`, `${ROWS}`];
        const times = JSON.parse(await run(process.env.BUILDBOT_PYTHON, args));
        first += ROWS;
        if (situation === "with") await detach(master);
        if (n === 0) continue;
        for (const [what, each] of Object.entries(times)) (took[situation][what] ??= []).push(median(each));
      }
    }
  } finally {
    await master.cleanUp();
  }
  return took;
}

for (const kind of options.only) {
  const took = await measure(kind);
  console.log(`## ${kind}\n\n| write | without | with | added | added, of each round |\n| --- | --- | --- | --- | --- |`);
  for (const [what, without] of Object.entries(took.without)) {
    const each = took.with[what].map((us, n) => us - without[n]);
    const [before, after, added] = [without, took.with[what], each].map(median);
    const spread = `${Math.min(...each).toFixed(0)} to ${Math.max(...each).toFixed(0)}`;
    console.log(`| ${what} | ${[before, after, added].map((us) => us.toFixed(0)).join(" | ")} | ${spread} |`);
  }
  console.log("");
}
