// README.md from top to bottom, as somebody follows it: every example prints what stands below it, from a demo's
// first minute on.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { TIMEOUT, launch } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const readme = readFileSync(join(here, "../../README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }));
const textAfter = (block) => blocks[blocks.indexOf(block) + 1].text;
const curls = blocks.filter(({ text }) => text.startsWith("curl "));
const [query, mutation] = blocks.filter(({ language }) => language === "graphql");

let dir, demo;

// The README's addresses are those of the server under test.
const here8020 = (text) => text.replaceAll("127.0.0.1:8020", new URL(demo.origin).host);

const run = async (command, options) =>
  (await promisify(execFile)("bash", ["-c", command], { cwd: dir, timeout: TIMEOUT, ...options })).stdout;

const databases = () => readdirSync(dir).filter((file) => file.endsWith(".sqlite")).sort();

const stop = async ({ child }) => {
  const exited = once(child, "exit");
  child.kill("SIGINT");
  assert.deepEqual(await exited, [0, null]);
};

async function execute(query) {
  const body = JSON.stringify({ query });
  const headers = { "content-type": "application/json" };
  return (await fetch(`${demo.origin}/graphql`, { method: "POST", headers, body })).json();
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "readme-test-"));
  demo = await launch(dir, "127.0.0.1:0", ["--demo"]);
});

after(() => {
  if (demo?.child.exitCode === null) demo.child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

// The id of a request, which the server makes.
const anyRequest = (text) => text.replace(/"requestId":"[0-9a-f]{10}-[0-9a-f]+"/, '"requestId":"1"').trimEnd();

async function examples() {
  assert.deepEqual(await execute(query.text), JSON.parse(textAfter(query)));
  assert.equal(curls.length, 3);
  for (const curl of curls) {
    assert.equal(anyRequest(await run(here8020(curl.text))), anyRequest(textAfter(curl)), curl.text);
  }
}

test("the examples print what stands below them", examples);

test("the Node example runs in what `npm init` makes", async () => {
  const program = blocks.find(({ language }) => language === "js");
  const commands = blocks[blocks.indexOf(program) + 1];
  assert.match(commands.text, /^npm init -y\nnpm install graphql graphql-ws ws\nnode events.mjs\n$/);
  const folder = join(dir, "node");
  mkdirSync(folder);
  await run("npm init -y", { cwd: folder });
  // What the second command would install is there already.
  symlinkSync(join(here, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "events.mjs"), here8020(program.text));
  const child = spawn("node", ["events.mjs"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const expected = textAfter(commands).trimEnd().split("\n");
  const lines = [];
  for await (const line of createInterface({ input: child.stdout, signal: AbortSignal.timeout(TIMEOUT) })) {
    lines.push(line);
    if (lines.length === expected.length) break;
  }
  child.kill();
  assert.deepEqual(lines, expected);
});

test("the mutation answers the same once", async () => {
  assert.deepEqual(await execute(mutation.text), JSON.parse(textAfter(mutation)));
});

test("the examples print the same when more builds have ended", async () => {
  const ended = "{ builder(name: \"docs\") { builds(where: { complete: true }) { totalCount } } }";
  while ((await execute(ended)).data.builder.builds.totalCount < 25) {
    await new Promise((wake) => setTimeout(wake, 200));
  }
  await examples();
}, { timeout: 4 * TIMEOUT });

test("one's own server is in another file than the demo", async () => {
  await stop(demo);
  assert.deepEqual(databases(), ["buildbot-graphql-demo.sqlite"]);
  const block = blocks.find(({ text }) => text.startsWith("cargo install"));
  const [, command] = /^buildbot-graphql serve ([^]*)$/m.exec(block.text);
  const flags = (await run(`printf '%s\\n' ${command}`)).trimEnd().split("\n");
  assert.deepEqual(flags.slice(0, 2), ["--listen", "127.0.0.1:8020"]);
  const own = await launch(dir, "127.0.0.1:0", flags.slice(2));
  assert.deepEqual(databases(), ["buildbot-graphql-demo.sqlite", "buildbot-graphql.sqlite"]);
  const body = JSON.stringify({ query: "{ builders { totalCount } }" });
  const answer = await fetch(`${own.origin}/graphql`, {
    method: "POST", headers: { "content-type": "application/json" }, body,
  });
  assert.deepEqual(await answer.json(), { data: { builders: { totalCount: 0 } } });
  await stop(own);
});
