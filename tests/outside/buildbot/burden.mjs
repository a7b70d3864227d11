// The load in a process of its own, so that it keeps nobody else's events waiting: `fork`ed with the master's folder and our
// URL of its database. It says where our server is, and ends when it is told to.
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
