// With the page's own list of documents and no others, every view works and nothing else does.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, start } from "../server.mjs";
import { openTab, shows, status } from "./browser.mjs";
import { found, search } from "./logs.mjs";

const LIST = fileURLToPath(new URL("../../../assets/page/documents.json", import.meta.url));
let server, browser;

before(async () => {
  server = await start(["--demo", "--documents", LIST, "--only-documents"]);
  browser = await launchBrowser();
}, { timeout: 2 * TIMEOUT });

after(async () => {
  await browser?.close();
  server?.cleanUp();
});

test("every view is live", async () => {
  const { page, faults } = await openTab(browser);
  for (const [path, text] of [
    ["/", "runtests-linux"], ["/builders/runtests-linux", "History"], ["/builders/runtests-linux/builds/1", "compile"],
    ["/builders/runtests-linux?before=3", "#1"], ["/now", "Running"],
  ]) {
    await page.goto(server.origin + path);
    await status(page, "Live");
    await shows(page.locator("main"), text);
  }
  assert.deepEqual(faults, []);
  await page.close();
});

test("a log is read, searched and followed", async () => {
  const { page, faults } = await openTab(browser);
  await page.goto(`${server.origin}/builders/runtests-linux/builds/1`);
  await page.locator(".step-link", { hasText: "compile" }).click();
  await page.locator(".log-text").first().waitFor();
  // It opens at its end; this stands in its first line.
  await search(page).fill("in dir");
  await page.keyboard.press("Enter");
  await shows(found(page), "1 of 1");
  await shows(page.locator(".log-lines"), "in dir");
  await page.goto(`${server.origin}/now`);
  // Who waits writes nothing.
  const runs = page.locator("[aria-labelledby=running] .run-step").filter({ hasNotText: /waiting|not started|worker_preparation/ });
  await runs.first().locator("a").click();
  await page.locator(".log-text").first().waitFor();
  assert.deepEqual(faults, []);
  await page.close();
});

test("nothing else is run", async () => {
  for (const query of ["{ builders { totalCount } }", "{ eventCursor }", "query EventCursor { eventCursor}"]) {
    const response = await fetch(`${server.origin}/graphql`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query }),
    });
    assert.equal((await response.json()).errors[0].extensions.code, "PERSISTED_QUERY_ONLY", query);
  }
});
