// A Buildbot master with workers inside it, in its own folder.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TIMEOUT } from "../server.mjs";
import { ask } from "./request.mjs";
import { makeDatabase } from "./database.mjs";
import { HERE, beside, freePort, given, run } from "./run.mjs";

export class Master {
  // A new master over a new database, not started yet.
  static async create(kind, { python = given("BUILDBOT_PYTHON"), config = "master.cfg", env = {} } = {}) {
    const dir = mkdtempSync(join(tmpdir(), "beside-test-"));
    const master = new Master();
    const port = await freePort();
    Object.assign(master, { dir, python, port, origin: `http://127.0.0.1:${port}`, child: null });
    master.database = await makeDatabase(kind, dir);
    master.env = { ...process.env, BB_HTTP_PORT: `${port}`, BB_DB_URL: master.database.theirs, PYTHONPATH: HERE, ...env };
    await master.buildbot("create-master", "--db", master.database.theirs, dir);
    copyFileSync(join(HERE, config), join(dir, "master.cfg"));
    return master;
  }

  // Runs the program `buildbot`.
  async buildbot(...args) {
    return run(beside(this.python, "buildbot"), args, { cwd: this.dir, env: this.env });
  }

  async start() {
    const args = ["--no_save", "--nodaemon", "--pidfile=", "--python=buildbot.tac"];
    this.child = spawn(beside(this.python, "twistd"), args, { cwd: this.dir, env: this.env, stdio: "ignore" });
    const end = Date.now() + 4 * TIMEOUT;
    for (;;) {
      assert(this.child.exitCode === null && Date.now() < end, `the master did not start:\n${this.log()}`);
      const answer = await ask(`${this.origin}/api/v2/forceschedulers`).catch(() => null);
      if (answer?.status === 200 && JSON.parse(answer.text).meta.total) return this;
      await sleep(100);
    }
  }

  // Sends SIGTERM and expects a clean exit.
  async stop() {
    const exited = once(this.child, "exit", { signal: AbortSignal.timeout(4 * TIMEOUT) });
    this.child.kill("SIGTERM");
    const [code, signal] = await exited;
    assert.equal(code, 0, `signal ${signal}:\n${this.log()}`);
  }

  // Kills it with SIGKILL.
  async kill() {
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }

  // The errors in the master's log.
  log() {
    const path = join(this.dir, "twistd.log");
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(-60).join("\n") : "no log";
  }

  async get(path) {
    const { status, text } = await ask(`${this.origin}/api/v2/${path}`, { headers: { Accept: "application/json" } });
    assert.equal(status, 200, `${path}: ${text}`);
    return JSON.parse(text);
  }

  async control(path, method, params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "Content-Type": "application/json" };
    const { status, text } = await ask(`${this.origin}/api/v2/${path}`, { method: "POST", headers, body });
    assert.equal(status, 200, `${path}: ${text}`);
    return JSON.parse(text).result;
  }

  async builderid(name) {
    // The master also names builders that it no longer has.
    this.builders ??= new Map((await this.get("builders")).builders.map((builder) => [builder.name, builder.builderid]));
    return this.builders.get(name);
  }

  // The id of the build request.
  async force(name) {
    const builderid = await this.builderid(name);
    const [, requests] = await this.control("forceschedulers/force", "force", { builderid: `${builderid}`, reason: "beside" });
    return requests[builderid];
  }

  stopBuild(buildid) {
    return this.control(`builds/${buildid}`, "stop", { reason: "beside" });
  }

  async stepsOf(buildid) {
    return (await this.get(`builds/${buildid}/steps`)).steps;
  }

  // The newest build of the builder, once it runs this step and the step satisfies the condition.
  async running(name, step, holds = () => true) {
    const builderid = await this.builderid(name);
    const end = Date.now() + 4 * TIMEOUT;
    for (;;) {
      const { builds } = await this.get(`builders/${builderid}/builds?complete=false`);
      for (const { buildid } of builds) {
        const found = (await this.stepsOf(buildid)).find((each) => each.name === step);
        if (found?.started_at && !found.complete && holds(found)) return buildid;
      }
      assert(Date.now() < end, `${name} does not run ${step}:\n${this.log()}`);
      await sleep(50);
    }
  }

  // Waits until the master is idle.
  async idle() {
    const end = Date.now() + 8 * TIMEOUT;
    for (;;) {
      const { buildrequests } = await this.get("buildrequests?complete=false");
      const { builds } = await this.get("builds?complete=false");
      if (buildrequests.length + builds.length === 0) return;
      assert(Date.now() < end, `not in time: requests ${JSON.stringify(buildrequests)}, builds ${JSON.stringify(builds)}\n${this.log()}`);
      await sleep(200);
    }
  }

  // Queues builds of these builders one after the other, and waits for all of them.
  async build(...names) {
    for (const name of names) await this.force(name);
    await this.idle();
  }

  async cleanUp() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    await this.database.drop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
