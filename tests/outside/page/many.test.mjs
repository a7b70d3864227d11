// Home with a thousand builders.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT } from "../server.mjs";
import { openTab, shows, status } from "./browser.mjs";
import { BUILDERS, BUILDS, RUNNING, nameOf, startMany } from "./many.mjs";
import { Writer } from "./writer.mjs";

// Rows on a screen of 800 pixels, and those just beyond its edges.
const MOST_ROWS = 40;
let server, browser;

before(async () => {
  server = await startMany();
  browser = await launchBrowser();
}, { timeout: 4 * TIMEOUT });

after(async () => {
  await browser?.close();
  server?.cleanUp();
});

// Home with these parameters in the address, once all builders are loaded.
async function onHome(parameters, body, options) {
  const { page, faults } = await openTab(browser, options);
  try {
    await page.goto(`${server.origin}/${parameters}`);
    await status(page, "Live");
    await body(page);
    assert.deepEqual(faults, []);
  } finally {
    await page.close();
  }
}

const names = (page) => page.locator(".builder-name > a").allInnerTexts();
const sorted = Array.from({ length: BUILDERS }, (_, index) => nameOf(index + 1)).sort();

async function scrollTo(page, top) {
  await page.evaluate((to) => scrollTo(0, to), top);
  await page.waitForFunction(() => [...document.querySelectorAll(".builders > li")].some((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return top < innerHeight / 2 && bottom > innerHeight / 2;
  }));
}

test("only the rows on screen are in the document, wherever it is", async () => {
  await onHome("", async (page) => {
    await shows(page.locator("main > p:has([role=status])"), `${BUILDERS} builders, ${RUNNING} running`);
    const seen = new Set();
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    for (let top = 0; top < height; top += Math.ceil(height / 20)) {
      await scrollTo(page, top);
      const rows = await names(page);
      assert(rows.length <= MOST_ROWS, `${rows.length} rows are in the document`);
      rows.forEach((name) => seen.add(name));
    }
    assert(seen.size > 10 * MOST_ROWS, "scrolling showed no others");
  });
});

test("the end of the list shows the last builder, with all its builds", async () => {
  await onHome("", async (page) => {
    await page.keyboard.press("End");
    await shows(page.locator(".builders > li:last-child"), sorted.at(-1));
    const last = page.locator(".builders > li:last-child");
    assert.equal(await last.getAttribute("aria-posinset"), `${BUILDERS}`);
    assert.equal(await last.getAttribute("aria-setsize"), `${BUILDERS}`);
    assert.equal(await last.locator(".cell").count(), BUILDS);
    assert(await last.evaluate((row) => row.getBoundingClientRect().bottom <= innerHeight), "it is below the screen");
  });
});

test("a name finds one of them", async () => {
  await onHome("", async (page) => {
    await page.getByRole("searchbox", { name: "Name" }).fill(sorted[777]);
    await shows(page.locator("main > p [role=status]"), `1 of ${BUILDERS} builders`);
    assert.deepEqual(await names(page), [sorted[777]]);
  });
});

test("a filter while the end of the list is on screen leads to what fits", async () => {
  await onHome("?tag=docs", async (page) => {
    await page.keyboard.press("End");
    await page.getByRole("searchbox", { name: "Name" }).fill("docs-0003");
    await page.locator(".builders > li").waitFor();
    assert.deepEqual(await names(page), ["docs-0003"]);
    assert(await page.locator(".builders > li").evaluate((row) => row.getBoundingClientRect().top < innerHeight), "it is below the screen");
  });
});

test("a change of a builder far below is there when it comes on screen, and when it is there", async () => {
  const writer = new Writer(server.origin);
  const builder = await writer.builder(sorted.at(-1));
  await onHome("", async (page) => {
    await writer.past(builder, "EXCEPTION");
    await page.keyboard.press("End");
    const newest = page.locator(".builders > li:last-child .cell:first-child");
    await newest.and(page.getByLabel(`#${BUILDS + 1}: exception`)).waitFor();
    await writer.past(builder, "CANCELLED");
    await newest.and(page.getByLabel(`#${BUILDS + 2}: cancelled`)).waitFor();
    assert.equal(await page.locator(".builders > li:last-child .cell").count(), BUILDS);
  });
});

test("nothing is wider than the screen", async () => {
  for (const width of [320, 390, 768, 1280, 2560]) {
    await onHome("", async (page) => {
      await scrollTo(page, 10_000);
      const [all, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert(all <= screen, `the page is ${all} wide on a screen of ${screen}`);
    }, { viewport: { width, height: 800 } });
  }
});

test("who comes back from a builder finds the list where it was", async () => {
  await onHome("", async (page) => {
    await scrollTo(page, 20_000);
    const before = await names(page);
    await page.locator(".builder-name > a").nth(15).click();
    await shows(page.locator("h1"), before[15]);
    assert.equal(await page.evaluate(() => scrollY), 0);
    await page.goBack();
    await page.waitForFunction(() => scrollY === 20_000);
    await page.getByRole("link", { name: before[15], exact: true }).waitFor();
    await status(page, "Live");
    assert.deepEqual(await names(page), before);
  });
});
