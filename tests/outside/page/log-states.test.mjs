// A log says what state it is in: empty, refused, cut off, without a token, deleted, too long a line.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, start } from "../server.mjs";
import { openTab, shows, status } from "./browser.mjs";
import { addLog, fill, found, lines, onPath, row, search, seen, sees } from "./logs.mjs";
import { Writer } from "./writer.mjs";

const OPEN = ["--anonymous", "write"];
let browser;

before(async () => {
  browser = await launchBrowser();
}, { timeout: TIMEOUT });

after(() => browser?.close());

async function withServer(body, flags = OPEN) {
  const server = await start(flags);
  try {
    await body(server, new Writer(server.origin));
  } finally {
    server.cleanUp();
  }
}

const LOST = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection|status of 40[13]/;
const state = (page) => page.locator(".log [role=status]").last();

test("a log without lines says whether there may be some", async () => {
  await withServer(async ({ origin }, writer) => {
    const { logid, path } = await addLog(writer);
    await onPath(browser, origin + path, async (page) => {
      await shows(page.locator(".log"), "Nothing has been written yet.");
      await writer.finishLog(logid);
      await shows(page.locator(".log"), "This log is empty.");
      assert.equal(await page.getByText("Nothing has been written yet.").count(), 0);
    });
  });
});

test("a server that is killed: the log says so, and goes on where it was", async () => {
  await withServer(async (server, writer) => {
    const { logid, path } = await addLog(writer);
    await fill(writer, logid, 100, undefined, false);
    await onPath(browser, server.origin + path, async (page) => {
      await sees(page, ({ last }) => last === 100, "the end");
      await server.kill();
      await shows(page.locator(".log-state"), "The connection was lost");
      await sees(page, ({ last }) => last === 100, "what was read");
      await server.restart();
      await writer.append(logid, Array.from({ length: 700 }, (_, index) => `line ${index + 101}\n`).join(""));
      await sees(page, ({ last }) => last === 800, "the new end");
      await page.locator(".log-state").waitFor({ state: "detached" });
      await lines(page).press("g");
      const { last } = await sees(page, ({ first }) => first === 1, "the start");
      assert.equal(await row(page, last).locator(".log-text").innerText(), `line ${last}`);
      await lines(page).press("G");
      await writer.append(logid, "the last\n");
      await shows(row(page, 801), "the last");
    }, { expected: LOST });
  });
});

test("lines that cannot be read say so, and are read once they can be", async () => {
  await withServer(async (server, writer) => {
    const { logid, path } = await addLog(writer);
    await fill(writer, logid, 20_000);
    await onPath(browser, server.origin + path, async (page) => {
      await sees(page, ({ last }) => last === 20_000, "the end");
      await server.stop();
      await lines(page).press("g");
      await shows(page.locator(".log [role=alert]"), "Some lines could not be read");
      assert.equal((await seen(page)).first, 1);
      await server.restart();
      await sees(page, ({ first }) => first === 1, "the start");
      assert.equal(await page.locator(".log [role=alert]").count(), 0);
    }, { expected: LOST });
  });
});

test("a token that is revoked while a log is followed", async () => {
  const server = await start(["--anonymous", "none"]);
  const { page, faults } = await openTab(browser, { acceptDownloads: true });
  try {
    const [write, read] = [await server.createToken("write"), await server.createToken("read")];
    const writer = new Writer(server.origin, write);
    const { logid, path, stepid } = await addLog(writer);
    await writer.append(logid, "a secret\n");
    const html = await writer.log(stepid, "report", "HTML");
    await writer.append(html.logid, "<p>a secret report</p><script>top.ran = 1</script>\n");
    await page.goto(server.origin + path);
    await page.getByLabel("Token").fill(read);
    await page.getByRole("button", { name: "Use it" }).click();
    await shows(lines(page), "a secret");
    // A link carries no token, so the page reads the text itself.
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    assert.equal(download.suggestedFilename(), "stdio.txt");
    await page.getByRole("link", { name: "report" }).click();
    await shows(page.frameLocator("iframe.log-html").locator("body"), "a secret report");
    assert.equal(await page.evaluate(() => window.ran), undefined);
    await page.goBack();
    await shows(lines(page), "a secret");
    await server.revokeToken("read");
    await shows(state(page), "A token is needed to read on.");
    await writer.append(logid, "meanwhile\n");
    await page.getByLabel("Token").fill(write);
    await page.getByRole("button", { name: "Use it" }).click();
    await shows(lines(page), "meanwhile");
    await page.getByText("A token is needed to read on.").waitFor({ state: "detached" });
    await writer.append(logid, "and after\n");
    await shows(lines(page), "and after");
    assert.deepEqual(faults.filter((fault) => !/40[13]|WebSocket|script/.test(fault)), []);
  } finally {
    await page.close();
    server.cleanUp();
  }
});

test("a regular expression that is none is refused, and the log stays", async () => {
  await withServer(async ({ origin }, writer) => {
    const { logid, path } = await addLog(writer);
    await fill(writer, logid, 10);
    await onPath(browser, origin + path, async (page) => {
      await sees(page, ({ last }) => last === 10, "the end");
      await search(page).fill("(line");
      await page.getByLabel("Regex").check();
      await page.getByRole("button", { name: "Search" }).click();
      await page.locator(".log-search [role=alert]").waitFor();
      await search(page).fill("^(line) [47]$");
      await page.keyboard.press("Enter");
      await shows(found(page), /of 2$/);
      await page.locator(".is-match").nth(1).waitFor();
      assert.equal(await page.locator(".is-match").count(), 2);
      assert.equal(await page.locator(".log-search [role=alert]").count(), 0);
      await search(page).press("Escape");
      await page.locator(".is-match").first().waitFor({ state: "detached" });
    }, { expected: /status of 400/ });
  });
});

test("a log that is deleted while it is open", async () => {
  await withServer(async (server, writer) => {
    const { logid, path } = await addLog(writer);
    await fill(writer, logid, 10);
    await onPath(browser, server.origin + path, async (page) => {
      await shows(lines(page), "line 10");
      // As Buildbot's janitor does.
      const sql = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=30); "
        + "db.execute('delete from logchunks where logid = ?', sys.argv[2:]); db.execute(\"update logs set type = 'd' where id = ?\", sys.argv[2:]); db.commit()";
      execFileSync("python3", ["-c", sql, server.database, `${logid}`]);
      await shows(page.locator(".log-state"), "The text of this log was deleted.");
      assert.equal(await lines(page).count(), 0);
      assert.equal(await page.getByRole("link", { name: "Raw" }).count(), 0);
      await shows(page.locator(".log-list"), "deleted");
      await page.reload();
      await status(page, "Live");
      await shows(page.locator(".log-state"), "The text of this log was deleted.");
    });
  });
});

test("a megabyte without a line break is no burden", async () => {
  await withServer(async ({ origin }, writer) => {
    const { logid, path } = await addLog(writer);
    await writer.append(logid, `${"x".repeat(1_000_000)}\n`);
    await writer.append(logid, "the last\n");
    await writer.finishLog(logid);
    await onPath(browser, origin + path, async (page) => {
      await shows(lines(page), "the last");
      const widths = await page.locator(".log-text").evaluateAll((all) => all.map(({ textContent }) => textContent.length));
      assert(Math.max(...widths) < 6_000, `a line of ${Math.max(...widths)} characters is in the document`);
    });
  });
});
