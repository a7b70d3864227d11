// Runs programs, to their end or until they are stopped.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TIMEOUT } from "../server.mjs";

export const HERE = dirname(fileURLToPath(import.meta.url));

// A path that the environment must name; without it the tests fail, they are never skipped.
export function given(name) {
  assert(process.env[name], `${name} must be set`);
  return process.env[name];
}

// A program in a virtual environment, given as the path of its Python.
export const beside = (python, name) => join(dirname(python), name);

// Its exit code and output.
export async function outcome(program, args, { input = "", ...options } = {}) {
  const child = spawn(program, args, { stdio: "pipe", timeout: 4 * TIMEOUT, ...options });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code, signal] = await once(child, "close");
  return { code: code ?? signal, stdout, stderr };
}

// Its standard output; the exit code must be 0.
export async function run(program, args, options) {
  const { code, stdout, stderr } = await outcome(program, args, options);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
