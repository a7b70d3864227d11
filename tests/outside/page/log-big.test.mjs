// A log of a million lines: any line at once, whatever a browser can show, and few of them in the document.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, startServer } from "../server.mjs";
import { shows } from "./browser.mjs";
import { addLog, fill, found, lines, onPath, row, search, seen, sees } from "./logs.mjs";
import { Writer } from "./writer.mjs";

const LINES = 1_000_000;
const MIDDLE = LINES / 2;
// Rows on screen, and those near by.
const MOST_ROWS = 100;
let server, browser, writer, path;

before(async () => {
  server = await startServer();
  browser = await launchBrowser();
  writer = new Writer(server.origin);
  const log = await addLog(writer);
  ({ path } = log);
  await fill(writer, log.logid, LINES);
}, { timeout: 10 * TIMEOUT });

after(async () => {
  await browser?.close();
  server?.cleanUp();
});

const on = (hash, body) => onPath(browser, server.origin + path + hash, body);
// In the page: scrolls as a drag of the bar does, to a share of the whole.
const drag = (page, share) => lines(page).evaluate((box, share) => (box.scrollTop = share * (box.scrollHeight - box.clientHeight)), share);

test("the first, the last and every line between are shown", async () => {
  await on("", async (page) => {
    await sees(page, ({ last }) => last === LINES, "the end");
    await lines(page).press("g");
    await sees(page, ({ first }) => first === 1, "the start");
    for (const line of [2, 49_999, 50_001, 400_001, MIDDLE, 949_999, 950_001, 999_998, LINES]) {
      await page.getByLabel("Line", { exact: true }).fill(`${line}`);
      await page.keyboard.press("Enter");
      await sees(page, ({ first, last }) => first <= line && line <= last, `line ${line}`);
      assert.equal(await row(page, line).locator(".log-text").innerText(), `line ${line}`);
      assert(await page.locator(".log-row").count() < MOST_ROWS);
    }
    assert(await lines(page).evaluate((box) => box.scrollHeight) < 10_000_000, "a browser cannot show it");
  });
});

test("the bar leads to both ends and to its share of what lies between", async () => {
  await on("", async (page) => {
    await sees(page, ({ last }) => last === LINES, "the end");
    await drag(page, 0);
    await sees(page, ({ first }) => first === 1, "the start");
    await drag(page, 0.5);
    await sees(page, ({ first, last }) => first < MIDDLE + 20 && last > MIDDLE - 20, "the middle");
    let before = 0;
    for (let share = 0.05; share < 1; share += 0.05) {
      await drag(page, share);
      const { first } = await sees(page, ({ first }) => first > before, "lines further down");
      before = first;
    }
    await drag(page, 1);
    await sees(page, ({ last }) => last === LINES, "the end");
  });
});

test("a turn of the wheel skips no line anywhere, and the bar follows", async () => {
  for (const line of [100, 49_990, MIDDLE, 949_990, LINES - 60]) {
    await on(`#L${line}`, async (page) => {
      let { first, last } = await sees(page, ({ first, last }) => first <= line && line <= last, `line ${line}`);
      await lines(page).hover();
      for (const turn of [200, 200, -200, 200]) {
        await page.mouse.wheel(0, turn);
        const moved = await sees(page, (now) => now.first !== first, "lines further on");
        assert(moved.first <= last && moved.last >= first, `from ${first} to ${last} it jumped to ${moved.first}`);
        ({ first, last } = moved);
        // Until the bar has been put where the lines are, which must not move them.
        await page.waitForTimeout(400);
        ({ first, last } = await seen(page));
      }
    });
  }
});

test("the search goes over the whole log", async () => {
  await on("", async (page) => {
    await sees(page, ({ last }) => last === LINES, "the end");
    await lines(page).press("g");
    await lines(page).press("/");
    await page.keyboard.type("line 99999");
    await page.keyboard.press("Enter");
    // 99999, and 999990 to 999999.
    await shows(found(page), "1 of 11");
    await shows(page.locator(".is-current"), "line 99999");
    await page.keyboard.press("Enter");
    await shows(found(page), "2 of 11");
    await shows(page.locator(".is-current"), "line 999990");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.press("Shift+Enter");
    await shows(found(page), "11 of 11");
    await shows(page.locator(".is-current"), "line 999999");
    await lines(page).press("n");
    await shows(found(page), "1 of 11");
    await lines(page).press("Shift+N");
    await shows(found(page), "11 of 11");
    await search(page).fill("LINE 777777");
    await page.getByLabel("Ignore case").check();
    await page.getByRole("button", { name: "Search" }).click();
    await shows(found(page), "1 of 1");
    await search(page).fill("nothing like this");
    await page.keyboard.press("Enter");
    await shows(found(page), "No line matches");
  });
});

test("matches that are too many to hold come as far as they are wanted", async () => {
  await on("", async (page) => {
    await sees(page, ({ last }) => last === LINES, "the end");
    await lines(page).press("g");
    await search(page).fill("line");
    await page.keyboard.press("Enter");
    await shows(found(page), /^1 of 1\d,\d{3} so far, searched to line/);
    await page.getByRole("button", { name: "Previous" }).click();
    await shows(found(page), /^(1\d,\d{3}) of \1 so far/);
    await page.getByRole("button", { name: "Next" }).click();
    await shows(found(page), /^(?!1 of )\d+,\d{3} of /);
    const last = Number((await found(page).innerText()).split(" of ")[0].replace(",", ""));
    await shows(page.locator(".is-current"), `line ${last}`);
    assert(last > 10_000);
  });
});
