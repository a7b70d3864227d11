// The process of one attack: NAME ORIGIN FILE MILLISECONDS. Prints how often it saw what, and drops all connections.
import { Tally } from "./client.mjs";
import { ATTACKS } from "./list.mjs";

const [name, origin, file, hold] = process.argv.slice(2);
const tally = new Tally();
await ATTACKS.find((attack) => attack.name === name).run({ origin, file, tally, hold: Number(hold) });
process.stdout.write(JSON.stringify(tally.counts), () => process.exit());
