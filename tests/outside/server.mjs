// The real server in an empty directory, for third-party clients and suites. BUILDBOT_GRAPHQL_BIN names the binary;
// without it the tests fail, they are never skipped.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

export const TIMEOUT = 30_000;

// With simulated builders.
export const startDemo = () => start(["--demo"]);

// With simulated builders, and no write access for others.
export const startReadOnly = () => start(["--demo", "--anonymous", "read"]);

// An empty database that everybody may write.
export const startServer = () => start(["--anonymous", "write"]);

// With these flags of `serve`.
export async function start(flags) {
  const dir = mkdtempSync(join(tmpdir(), "outside-test-"));
  const server = await startIn(dir, flags);
  return {
    ...server,
    cleanUp() {
      server.cleanUp();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function startIn(dir, flags) {
  const database = ["--database-url", `sqlite://${dir}/test.sqlite?mode=rwc`];
  const args = [...database, ...flags];
  let { child, origin, log } = await launch(dir, "127.0.0.1:0", args);
  // Kills the server with SIGKILL unless it has stopped.
  async function kill() {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
  return {
    origin,
    database: `${dir}/test.sqlite`,
    // A new token of this scope, `read` or `write`, with the scope as its name.
    createToken: (scope) => runIn(dir, ["token", "create", "--name", scope, "--scope", scope, ...database]),
    revokeToken: (name) => runIn(dir, ["token", "revoke", name, ...database]),
    // Another server over the same database, with these flags instead if there are any.
    peer: (newFlags) => startIn(dir, newFlags ?? flags),
    // The log so far, by lines.
    log: () => log,
    // Its process, to pause it.
    signal: (name) => child.kill(name),
    kill,
    // Kills it, and starts it at the same address over the same database, with these flags instead if there are any.
    async restart(newFlags) {
      await kill();
      if (newFlags) args.splice(database.length, args.length, ...newFlags);
      ({ child, log } = await launch(dir, new URL(origin).host, args));
    },
    // Sends SIGTERM and expects a clean exit within ten seconds.
    async stop() {
      const exited = once(child, "exit", { signal: AbortSignal.timeout(10_000) });
      child.kill("SIGTERM");
      const [code, signal] = await exited;
      assert.equal(code, 0, `signal ${signal}, output:\n${log.join("\n")}`);
    },
    cleanUp() {
      if (child.exitCode === null) child.kill("SIGKILL");
    },
  };
}

async function runIn(dir, args) {
  return (await promisify(execFile)(binary(), args, { cwd: dir, timeout: TIMEOUT })).stdout.trim();
}

export function binary() {
  const bin = process.env.BUILDBOT_GRAPHQL_BIN;
  assert(bin && existsSync(bin), `BUILDBOT_GRAPHQL_BIN must name the server's binary, is: ${bin}`);
  return resolve(bin);
}

// Starts a process. Its origin is on the line that names GraphQL's address.
export async function launch(dir, listen, flags) {
  const child = spawn(binary(), ["serve", "--listen", listen, ...flags], { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  const log = [];
  const origin = await new Promise((started, failed) => {
    const fail = (why) => failed(new Error(`the server ${why}, output:\n${log.join("\n")}`));
    const timer = setTimeout(() => fail("named no address in time"), TIMEOUT);
    child.once("error", failed);
    child.once("exit", (code, signal) => fail(`ended at once (${code ?? signal})`));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        log.push(line);
        const address = /https?:\/\/[^\s]+\/graphql/.exec(line);
        if (!address) return;
        clearTimeout(timer);
        started(new URL(address[0]).origin);
      });
    }
  });
  return { child, origin, log };
}
