// The GraphQL over HTTP audits of npm graphql-http. This server deliberately declines two that are a MAY: a plain GET
// would let a page of another site send a query, so a GET needs a header that such a page cannot set.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serverAudits } from "graphql-http";
import { TIMEOUT, startDemo } from "./server.mjs";

const DECLINED = ["5A70", "6A70"];
let server;

before(async () => { server = await startDemo(); }, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

test("every audit is ok, but for what is declined", async () => {
  const audits = serverAudits({ url: () => `${server.origin}/graphql`, fetchFn: fetch });
  assert.equal(audits.length, 61);
  const results = [];
  for (const audit of audits) results.push(await audit.fn());
  const others = results.filter((r) => r.status !== "ok").map((r) => ({ id: r.id, status: r.status, reason: r.reason }));
  assert.deepEqual(others.filter((r) => !(DECLINED.includes(r.id) && r.status === "notice")), []);
  assert.equal(results.length - others.length, 59);
});
