// The logs of a step: what is shown of them, and that nothing in them runs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, startServer } from "../server.mjs";
import { shows } from "./browser.mjs";
import { addLog, fill, found, lines, onPath, row, search, seen, sees } from "./logs.mjs";
import { Writer } from "./writer.mjs";

let server, origin, browser, writer;

before(async () => {
  server = await startServer();
  ({ origin } = server);
  browser = await launchBrowser();
  writer = new Writer(origin);
}, { timeout: 2 * TIMEOUT });

after(async () => {
  await browser?.close();
  server?.cleanUp();
});

const on = (path, body, options) => onPath(browser, origin + path, body, options);

test("a step lists its logs and opens the first; each has an address", async () => {
  const { stepid, logid, step, path } = await addLog(writer);
  const other = await writer.log(stepid, "warnings");
  await writer.append(logid, "from the first\n");
  await writer.append(other.logid, "from the second\n");
  await on(step, async (page) => {
    await shows(lines(page), "from the first");
    assert.deepEqual(await page.locator(".log-list a").allInnerTexts(), ["stdio", "warnings"]);
    await page.getByRole("link", { name: "warnings" }).click();
    await shows(lines(page), "from the second");
    assert.equal(new URL(page.url()).pathname, `${step}/logs/${other.slug}`);
    assert.equal(await page.locator(".log-list [aria-current]").innerText(), "warnings");
    await page.goBack();
    await shows(lines(page), "from the first");
    await writer.log(stepid, "later");
    await shows(page.locator(".log-list"), "later");
  });
  await on(`${path}-nothing`, (page) => shows(page.locator(".step-logs"), "has no log"));
});

test("a log is followed at its end, until somebody scrolls up", async () => {
  const { logid, path } = await addLog(writer);
  await fill(writer, logid, 300, undefined, false);
  await on(path, async (page) => {
    await sees(page, ({ last }) => last === 300, "the end");
    await writer.append(logid, "line 301\nline 302\n");
    await sees(page, ({ last }) => last === 302, "the new end");
    await lines(page).hover();
    await page.mouse.wheel(0, -1_000);
    const { first } = await sees(page, ({ last }) => last < 290, "what is above");
    await writer.append(logid, "line 303\n");
    await shows(page.locator(".log-foot"), "303 lines");
    assert.equal((await seen(page)).first, first);
    await page.getByRole("button", { name: "Follow the end" }).click();
    await sees(page, ({ last }) => last === 303, "the end");
    await writer.append(logid, "line 304\n");
    await sees(page, ({ last }) => last === 304, "the new end");
    await lines(page).hover();
    await page.mouse.wheel(0, -1_000);
    await sees(page, ({ last }) => last < 290, "what is above");
    await page.mouse.wheel(0, 2_000);
    await sees(page, ({ last }) => last === 304, "the end");
    await writer.append(logid, "line 305\n");
    await sees(page, ({ last }) => last === 305, "the end, since it was scrolled there");
    await writer.append(logid, "the last\n");
    await writer.finishLog(logid);
    await shows(row(page, 306), "the last");
    await page.getByText("being written").waitFor({ state: "detached" });
  });
});

test("every line comes once and in order, while it is written", async () => {
  const { logid, path } = await addLog(writer);
  await writer.append(logid, "line 1\n");
  await on(path, async (page) => {
    for (let number = 2; number <= 60; number += 1) await writer.append(logid, `line ${number}\n`);
    await sees(page, ({ last }) => last === 60, "the end");
    await page.keyboard.press("Tab");
    await lines(page).press("g");
    await sees(page, ({ first }) => first === 1, "the start");
    const { last } = await seen(page);
    const texts = await page.locator(".log-row .log-text").allInnerTexts();
    assert.deepEqual(texts.slice(0, last), Array.from({ length: last }, (_, index) => `line ${index + 1}`));
  });
});

test("a line that is led to is on the screen, however small that is", async () => {
  const { logid, path } = await addLog(writer);
  await fill(writer, logid, 2_000);
  await on(`${path}#L1234`, async (page) => {
    const isOnScreen = async (number) => {
      await row(page, number).locator(".log-text").waitFor();
      return row(page, number).evaluate((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top >= document.querySelector(".head").getBoundingClientRect().bottom && bottom <= innerHeight;
      });
    };
    assert(await isOnScreen(1234));
    assert.equal(await page.evaluate(() => document.activeElement.className), "log-lines");
    await page.evaluate(() => scrollTo(0, 0));
    await search(page).fill("line 1999");
    await page.keyboard.press("Enter");
    await page.locator(".is-current").waitFor();
    assert(await isOnScreen(1999));
  }, { viewport: { width: 390, height: 600 } });
});

test("a link to a line leads to it, and its number is a link", async () => {
  const { logid, path } = await addLog(writer);
  await fill(writer, logid, 2_000);
  await on(`${path}#L1234`, async (page) => {
    await sees(page, ({ first, last }) => first < 1234 && last > 1234, "the line");
    assert.equal(await page.locator(".is-chosen-line .log-text").innerText(), "line 1234");
    await row(page, 1240).locator(".log-number").click();
    assert.equal(new URL(page.url()).hash, "#L1240");
    await shows(page.locator(".is-chosen-line"), "line 1240");
    await page.goBack();
    await shows(page.locator(".is-chosen-line"), "line 1234");
    await page.getByLabel("Line", { exact: true }).fill("1999");
    await page.getByRole("button", { name: "Go", exact: true }).click();
    await sees(page, ({ last }) => last >= 1999, "the line that was asked for");
    assert.equal(new URL(page.url()).hash, "#L1999");
    await page.getByLabel("Line", { exact: true }).fill("1");
    await page.keyboard.press("Enter");
    await sees(page, ({ first }) => first === 1, "the first line");
  });
});

test("streams, colours and links are told apart", async () => {
  const { logid, path } = await addLog(writer);
  await writer.append(logid, "make all\n", "HEADER");
  await writer.append(logid, "\x1b[1;31mred\x1b[0m \x1b[44mon blue\x1b[0m \x1b[38;2;0;250;0mgreen\x1b[m \x1b]0;a title\x07\x1b[2Kplain\n");
  await writer.append(logid, "warning\n", "STDERR");
  await writer.append(logid, "see https://example.org/a_(b)?c=d#e, (http://example.org/x). javascript:alert(1) ftp://example.org\n");
  await writer.finishLog(logid);
  await on(path, async (page) => {
    await shows(row(page, 4), "see");
    assert.deepEqual(await page.locator(".log-stream").allInnerTexts(), ["H", "", "E", ""]);
    assert.match(await row(page, 3).innerText(), /stderr:/);
    assert.equal((await row(page, 2).locator(".log-text").innerText()).trim(), "red on blue green plain");
    const styles = await row(page, 2).locator(".log-text span").evaluateAll((all) => all.map((each) => {
      const { color, backgroundColor, fontWeight } = getComputedStyle(each);
      return { text: each.textContent, color, backgroundColor, fontWeight };
    }));
    const named = Object.fromEntries(styles.map(({ text, ...style }) => [text, style]));
    assert.equal(named.red.fontWeight, "700");
    assert.notEqual(named.red.color, named.green.color);
    assert.notEqual(named["on blue"].backgroundColor, "rgba(0, 0, 0, 0)");
    // The search is for what a person sees.
    await search(page).fill("red on blue");
    await page.keyboard.press("Enter");
    await shows(found(page), "1 of 1");
    await page.locator("mark").first().waitFor();
    assert.equal((await page.locator("mark").allInnerTexts()).join(""), "red on blue");
    const links = row(page, 4).locator("a:not(.log-number)");
    assert.deepEqual(await links.evaluateAll((all) => all.map(({ href }) => href)), ["https://example.org/a_(b)?c=d#e", "http://example.org/x"]);
    assert.deepEqual(await links.evaluateAll((all) => all.map(({ target, rel }) => [target, rel])), Array(2).fill(["_blank", "noreferrer"]));
  });
});

test("text in a log is only ever text", async () => {
  const hostile = [
    "<script>window.ran = 1</script>", "<img src=x onerror='window.ran = 1'>", "\x1b[31m<b onmouseover=window.ran=1>x</b>",
    "https://example.org/\"onclick=\"window.ran=1", "\u202Etxet\u202C", "&lt;b&gt;", "\x1b[", "\x1b]8;;javascript:window.ran=1\x07link\x1b]8;;\x07",
  ];
  const { logid, path } = await addLog(writer);
  await writer.append(logid, `${hostile.join("\n")}\n`);
  await writer.finishLog(logid);
  await on(path, async (page) => {
    const shown = await shows(lines(page), "&lt;b&gt;");
    for (const text of ["<script>window.ran = 1</script>", "<img src=x onerror='window.ran = 1'>", "<b onmouseover=window.ran=1>x</b>"]) assert(shown.includes(text), text);
    assert.equal(await page.locator(".log-text :not(a, span, mark, em)").count(), 0);
    assert.deepEqual(await page.locator(".log-text a").evaluateAll((all) => all.map(({ href }) => new URL(href).protocol)), ["https:"]);
    await search(page).fill("<script>");
    await page.keyboard.press("Enter");
    await shows(found(page), "1 of 1");
    assert.equal(await page.locator("mark").innerText(), "<script>");
    assert.equal(await page.evaluate(() => window.ran), undefined);
  });
});

test("an HTML log is shown in a frame in which nothing runs", async () => {
  const { logid, path } = await addLog(writer, { name: "report", type: "HTML" });
  await writer.append(logid, "<h1>Report</h1><script>top.ran = 1; document.write('ran')</script><img src=x onerror='top.ran = 1'>\n");
  await writer.finishLog(logid);
  await on(path, async (page) => {
    const frame = page.locator("iframe.log-html");
    assert.equal(await frame.getAttribute("sandbox"), "");
    await shows(page.frameLocator("iframe.log-html").locator("body"), "Report");
    assert(!(await page.frameLocator("iframe.log-html").locator("body").innerText()).includes("ran"));
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(await page.locator(".log-search").count(), 0);
  }, { expected: /script|Content Security Policy|violates|404/i });
});

test("the first error of a failed step is found, as a hint", async () => {
  const { logid, stepid, path } = await addLog(writer);
  await fill(writer, logid, 500, (number) => (number === 321 ? "src/main.c:4: \x1b[1;31m\x1b[Kerror\x1b[0m: no such thing" : `no errors in ${number}`), false);
  await on(path, async (page) => {
    await sees(page, ({ last }) => last === 500, "the end");
    assert.equal(await page.locator(".log-hint").count(), 0);
    await writer.finishLog(logid);
    await writer.finishStep(stepid, "FAILURE");
    await shows(page.locator(".log-hint"), "This may be the first error: line 321 src/main.c:4: error: no such thing");
    await page.locator(".log-hint a").click();
    await sees(page, ({ first, last }) => first < 321 && last > 321, "the error");
  });
});

test("raw and download give the text as it is", async () => {
  const { logid, path } = await addLog(writer);
  await writer.append(logid, "<b>raw</b>\n");
  await writer.finishLog(logid);
  await on(path, async (page) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    assert.match(download.url(), new RegExp(`/api/v2/logs/${logid}/raw$`));
    const [raw] = await Promise.all([page.waitForEvent("popup"), page.getByRole("link", { name: "Raw" }).click()]);
    await shows(raw.locator("body"), "<b>raw</b>");
    await raw.close();
  }, { acceptDownloads: true });
});
