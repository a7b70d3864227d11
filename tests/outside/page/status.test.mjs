// The page says whether it is the present: while the server is killed, paused, goes down, loses events or turns it away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, start } from "../server.mjs";
import { openTab, shot, shows, status } from "./browser.mjs";
import { Writer } from "./writer.mjs";

const OPEN = ["--anonymous", "write"];
// How long the page is too busy to read.
const BUSY_MS = 6_000;
let browser;

before(async () => {
  browser = await launchBrowser();
}, { timeout: TIMEOUT });

after(() => browser?.close());

// A server with these flags, on which a builder has one build, and home in a tab, live.
async function onHome(flags, body) {
  const server = await start(flags);
  const { page, faults, sockets } = await openTab(browser);
  try {
    const writer = new Writer(server.origin);
    const builder = await writer.builder("builder");
    await writer.past(builder);
    await page.goto(server.origin);
    await status(page, "Live");
    await body({ server, writer, builder, page, sockets });
    assert.deepEqual(faults.filter((fault) => !/ERR_CONNECTION_REFUSED|WebSocket connection|status of 401/.test(fault)), []);
  } finally {
    await page.close();
    server.cleanUp();
  }
}

const isPast = (page) => page.locator("main.is-past").count();
const cells = (page) => page.locator(".cell").evaluateAll((all) => all.toReversed().map((cell) => cell.getAttribute("aria-label").split(",")[0]));
// A build is added and finished by two events, which may be shown one after the other.
const untilCells = async (page, wanted) => {
  for (const end = Date.now() + TIMEOUT; Date.now() < end; await setTimeout(20)) {
    if (isDeepStrictEqual(await cells(page), wanted)) return;
  }
  assert.deepEqual(await cells(page), wanted);
};

// Whether the feed no longer goes back to this position: the first that comes is an error.
async function isExpired(origin, cursor) {
  const response = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ query: "subscription ($after: EventCursor) { events(after: $after) { cursor } }", variables: { after: cursor } }),
  });
  const reader = response.body.getReader();
  try {
    return new TextDecoder().decode((await reader.read()).value).includes("CURSOR_EXPIRED");
  } finally {
    await reader.cancel();
  }
}

test("a server that is killed and comes back", async () => {
  await onHome(OPEN, async ({ server, writer, builder, page }) => {
    await server.kill();
    await status(page, /^Reconnecting, last seen \d+s ago$/);
    assert.equal(await isPast(page), 1);
    await shot(page, "killed");
    await server.restart();
    await writer.past(builder, "FAILURE");
    await status(page, "Live");
    await untilCells(page, ["#1: success", "#2: failure"]);
    assert.equal(await isPast(page), 0);
  });
});

test("a server that is paused is noticed, and what it missed comes after", async () => {
  await onHome(OPEN, async ({ server, writer, builder, page }) => {
    server.signal("SIGSTOP");
    await status(page, /^Reconnecting/);
    assert.equal(await isPast(page), 1);
    await shot(page, "paused");
    server.signal("SIGCONT");
    await status(page, "Live");
    await writer.past(builder, "FAILURE");
    await untilCells(page, ["#1: success", "#2: failure"]);
  });
});

test("a server that goes down and comes back with other rows", async () => {
  await onHome(OPEN, async ({ server, writer, page }) => {
    await server.stop();
    await status(page, /^Reconnecting/);
    await server.restart();
    await writer.past(await writer.builder("another"), "WARNINGS");
    await status(page, "Live");
    await shows(page.locator(".builders"), "another");
  });
});

test("a cursor that expired while the server was away: the page begins anew", async () => {
  await onHome(OPEN, async ({ server, writer, builder, page }) => {
    const { eventCursor: cursor } = await writer.run("{ eventCursor }");
    await server.kill();
    await status(page, /^Reconnecting/);
    const peer = await server.peer(["--anonymous", "write", "--feed-keep-events", "1", "--feed-prune-seconds", "1"]);
    try {
      const there = new Writer(peer.origin);
      for (let count = 0; count < 5; count += 1) await there.past(builder, "FAILURE");
      while (!(await isExpired(peer.origin, cursor))) await setTimeout(100);
    } finally {
      peer.cleanUp();
    }
    await shot(page, "expired");
    await server.restart();
    await untilCells(page, ["#1: success", ...[2, 3, 4, 5, 6].map((number) => `#${number}: failure`)]);
    await status(page, "Live");
    await writer.past(builder, "EXCEPTION");
    await shows(page.locator(".builder-numbers"), "14%");
  });
});

test("a page that is too slow for its events takes a new snapshot", async () => {
  const flags = [...OPEN, "--feed-queue-bytes", "262144"];
  await onHome(flags, async ({ writer, builder, page, sockets }) => {
    const { buildid } = await writer.build(builder);
    // While its one thread is busy, nothing takes the events.
    const blocked = page.evaluate((ms) => {
      const until = Date.now() + ms;
      while (Date.now() < until);
    }, BUSY_MS);
    const end = Date.now() + BUSY_MS;
    for (let count = 0; Date.now() < end; count += 1) await writer.describe(builder, `${count}`.padEnd(60_000, "."));
    await blocked;
    await shot(page, "lagged");
    await writer.describe(builder, "the last");
    await writer.finishBuild(buildid, "RETRY");
    await status(page, "Live");
    await untilCells(page, ["#1: success", "#2: retry"]);
    assert.equal(await page.getByRole("link", { name: "builder", exact: true }).getAttribute("title"), "the last");
    assert(sockets.length > 1, "the server did not end the subscription");
  });
});

test("a token that is asked for, kept in this tab alone, and revoked", async () => {
  const server = await start(["--anonymous", "none"]);
  const { page, faults } = await openTab(browser);
  try {
    const [write, read] = [await server.createToken("write"), await server.createToken("read")];
    await new Writer(server.origin, write).past(await new Writer(server.origin, write).builder("secret"));
    await page.goto(`${server.origin}/builders/secret`);
    await status(page, "Not live: a token is needed");
    await shot(page, "token");
    assert.equal(await page.getByText("secret #").count(), 0);
    await page.getByLabel("Token").fill("not-a-token");
    await page.getByRole("button", { name: "Use it" }).click();
    await status(page, "Not live: a token is needed");
    await page.getByLabel("Token").fill(read);
    await page.getByRole("button", { name: "Use it" }).click();
    await status(page, "Live");
    await page.reload();
    await status(page, "Live");
    const other = await openTab(browser);
    await other.page.goto(server.origin);
    await status(other.page, "Not live: a token is needed");
    await other.page.close();
    await server.revokeToken("read");
    await status(page, "Not live: a token is needed");
    assert.equal(await isPast(page), 1);
    await shot(page, "revoked");
    await page.getByLabel("Token").fill(write);
    await page.getByRole("button", { name: "Use it" }).click();
    await status(page, "Live");
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    assert.deepEqual(faults.filter((fault) => !/40[13]|WebSocket/.test(fault)), []);
  } finally {
    await page.close();
    server.cleanUp();
  }
});
