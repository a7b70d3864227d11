// Our server next to a master: attached to its database, and serving it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { binary, launch } from "../server.mjs";
import { ask } from "./request.mjs";
import { run } from "./run.mjs";

// The lines that it printed, one per object.
async function change(command, master) {
  const printed = await run(binary(), [command, "--database-url", master.database.ours]);
  return printed.split("\n").filter((line) => line !== "");
}

export const attach = (master) => change("attach", master);
export const detach = (master) => change("detach", master);

export class OurServer {
  static async serve(master, ...flags) {
    const ours = new OurServer();
    ours.dir = master.dir;
    ours.flags = ["--database-url", master.database.ours, "--anonymous", "read", ...flags];
    Object.assign(ours, await launch(ours.dir, "127.0.0.1:0", ours.flags));
    return ours;
  }

  // Kills the server with SIGKILL and restarts it at the same address.
  async restart() {
    await this.kill();
    Object.assign(this, await launch(this.dir, new URL(this.origin).host, this.flags));
  }

  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }

  // The whole response.
  async post(query, variables) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ query, variables });
    return JSON.parse((await ask(`${this.origin}/graphql`, { method: "POST", headers, body })).text);
  }

  async ask(query, variables) {
    const { data, errors } = await this.post(query, variables);
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  // The feed's newest position.
  async cursor() {
    return (await this.ask("{ eventCursor }")).eventCursor;
  }

  // Whether it says that every change of these is recorded.
  async records(nouns) {
    const { text } = await ask(`${this.origin}/metrics`);
    const [, value] = new RegExp(`^buildbot_graphql_feed_recorded\\{noun="${nouns}"\\} (\\d)$`, "m").exec(text);
    return value === "1";
  }

  // What it says of its feed when it is asked whether it is ready.
  async feed() {
    return JSON.parse((await this.ready())[1]).feed;
  }

  // The status and the body.
  async ready() {
    const { status, text } = await ask(`${this.origin}/readyz`);
    return [status, text];
  }
}
