// The load, in its own process so that it delays nobody else's events. It is forked with the master's folder and our
// database URL, reports the address of our server, and ends on request.
import { once } from "node:events";
import { load } from "./load.mjs";

const [dir, url] = process.argv.slice(2);
const loaded = await load({ dir, database: { ours: url } }, 3);
process.send({ origin: loaded.ours.origin, pid: loaded.ours.child.pid });
await once(process, "message");
const answers = loaded.answers();
await loaded.stop();
process.send({ answers });
process.disconnect();
