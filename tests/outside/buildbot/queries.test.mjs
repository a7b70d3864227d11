// Random requests to our REST and to a running master's: the same answers, but where a named rule says otherwise.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Master } from "./master.mjs";
import { OurServer } from "./our_server.mjs";
import { DIFFERENCES, ROWS, explain, requests } from "./queries.mjs";
import { ask } from "./request.mjs";

// QUERIES and SEED ask for more, or for others.
const COUNT = Number(process.env.QUERIES ?? 1_200);
const SEED = Number(process.env.SEED ?? 1);

const answer = async ({ origin }, path) => {
  const { status, text } = await ask(`${origin}/api/v2/${path}`, { headers: { Accept: "application/json" } });
  return { status, body: JSON.parse(text) };
};

test("every field with every operator, on lists and on single rows", { timeout: 600_000 }, async () => {
  const master = await Master.create("SQLite");
  let ours;
  try {
    await master.start();
    await master.database.sql(...ROWS);
    ours = await OurServer.serve(master, "--rate-points", "0");
    const used = new Set();
    const unexplained = [];
    for (const request of requests(SEED, COUNT)) {
      const [mine, theirs] = await Promise.all([answer(ours, request.path), answer(master, request.path)]);
      const rules = explain(request, mine, theirs);
      rules?.forEach((rule) => used.add(rule));
      if (rules?.length === 0) unexplained.push(JSON.stringify([decodeURIComponent(request.path), mine, theirs]));
    }
    assert.deepEqual(unexplained, []);
    // A rule that explains nothing would hide what it once explained.
    assert.deepEqual([...used].sort(), Object.keys(DIFFERENCES).sort());
  } finally {
    await ours?.kill();
    await master.cleanUp();
  }
});
