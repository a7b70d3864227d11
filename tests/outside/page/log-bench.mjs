// How fast the page is with a log of a million lines, 100 MB, in headless Chromium: prints a table, asserts nothing.
//   node log-bench.mjs [--loads N] [--seconds N] [--rate LINES]
import { cpus, loadavg } from "node:os";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { launchBrowser } from "../chromium.mjs";
import { startServer } from "../server.mjs";
import { openTab, status } from "./browser.mjs";
import { addLog, fill } from "./logs.mjs";
import { Writer } from "./writer.mjs";

const { values: options } = parseArgs({
  options: { loads: { type: "string", default: "7" }, seconds: { type: "string", default: "10" }, rate: { type: "string", default: "1000" } },
});
const [LOADS, SECONDS, RATE] = [options.loads, options.seconds, options.rate].map(Number);
const LINES = 1_000_000;
const MIDDLE = LINES / 2;
// A line of 100 bytes.
const text = (number) => `[${String(number).padStart(7, "0")}] `.padEnd(99, "compiling src/module/file.c with options ");

// In the page: does something, and says how long it takes until a test of the document holds and is painted, in ms.
const TIME = async ({ act, until }) => {
  const [doIt, holds] = [act, until].map((code) => new Function(code));
  const start = performance.now();
  doIt();
  while (!holds()) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => requestAnimationFrame(() => window.setTimeout(resolve)));
  return performance.now() - start;
};
const row = (line) => `document.querySelector('.log-row[aria-posinset="${line}"] .log-text') !== null`;
const press = (key) => `document.querySelector(".log-lines").dispatchEvent(new KeyboardEvent("keydown", { key: "${key}", bubbles: true }))`;
const go = (line) => `const form = document.querySelector(".log-go").form; form.line.value = ${line}; form.requestSubmit()`;

// In the page: the time between frames, in ms.
const FRAMES = async (ms) => {
  const deltas = [];
  const start = performance.now();
  let last = start;
  while (last - start < ms) {
    const now = await new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));
    deltas.push(now - last);
    last = now;
  }
  return deltas;
};

const sorted = (values) => values.toSorted((a, b) => a - b);
const show = (values) => [Math.round(sorted(values)[Math.floor(values.length / 2)]), sorted(values).map(Math.round).join(" ")];

async function oneLoad(browser, url) {
  const { page } = await openTab(browser);
  await page.addInitScript((line) => {
    const look = () => {
      if (document.querySelector(`.log-row[aria-posinset="${line}"] .log-text`) === null) return requestAnimationFrame(look);
      requestAnimationFrame(() => window.setTimeout(() => (window.opened = performance.now())));
    };
    requestAnimationFrame(look);
  }, LINES);
  await page.goto(url);
  await status(page, "Live");
  await page.waitForFunction(() => window.opened);
  const times = { open: await page.evaluate(() => window.opened) };
  times.middle = await page.evaluate(TIME, { act: go(MIDDLE), until: `return ${row(MIDDLE)}` });
  times.start = await page.evaluate(TIME, { act: press("g"), until: `return ${row(1)}` });
  times.end = await page.evaluate(TIME, { act: press("G"), until: `return ${row(LINES)}` });
  await page.evaluate(TIME, { act: press("g"), until: `return ${row(1)}` });
  for (const [what, isRegex, wanted, line] of [["text", false, "[0999999]", 999_999], ["regex", true, "^.0999998. comp.*ing", 999_998]]) {
    await page.getByLabel("Regex").setChecked(isRegex);
    await page.getByLabel("Search in this log").fill(wanted);
    const act = 'document.querySelector("form.log-search").requestSubmit()';
    times[what] = await page.evaluate(TIME, { act, until: `return /^1 of 1$/.test(document.querySelector(".log-search [role=status]").textContent) && ${row(line)}` });
    await page.evaluate(TIME, { act: press("g"), until: `return ${row(1)}` });
  }
  await page.close();
  return times;
}

// Frames while lines arrive, for a reader at the end or one who has scrolled up.
async function frames(browser, writer, origin, follows) {
  const { logid, path } = await addLog(writer);
  await fill(writer, logid, 1_000, text, false);
  const { page } = await openTab(browser);
  await page.goto(origin + path);
  await status(page, "Live");
  if (!follows) await page.evaluate(TIME, { act: press("g"), until: `return ${row(1)}` });
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const busy = async () => (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
  let [written, isOver] = [1_000, false];
  const start = performance.now();
  const writing = (async () => {
    while (!isOver) {
      const due = 1_000 + Math.floor(((performance.now() - start) / 1_000) * RATE);
      if (due > written) await writer.append(logid, Array.from({ length: due - written }, (_, index) => `${text(written + index + 1)}\n`).join(""));
      written = Math.max(written, due);
      await setTimeout(50);
    }
  })();
  await setTimeout(1_000);
  const before = await busy();
  const deltas = await page.evaluate(FRAMES, SECONDS * 1_000);
  const spent = ((await busy()) - before) / SECONDS;
  isOver = true;
  await writing;
  await setTimeout(500);
  const shown = await page.locator(".log-foot").innerText();
  await page.close();
  return [Math.round(deltas.length / SECONDS), Math.round(sorted(deltas)[Math.floor(0.99 * deltas.length)]), Math.round(Math.max(...deltas)),
    `${Math.round(100 * spent)} %`, `${shown.split("\n")[0].replace(/ line.*/, "")} of ${written.toLocaleString("en-GB")}`];
}

function table(head, rows) {
  console.log(`\n| ${head.join(" | ")} |\n|${" --- |".repeat(head.length)}`);
  for (const each of rows) console.log(`| ${each.join(" | ")} |`);
}

const server = await startServer();
const browser = await launchBrowser();
try {
  const writer = new Writer(server.origin);
  const { logid, path } = await addLog(writer);
  await fill(writer, logid, LINES, text);
  console.log(`${LINES} lines of 100 bytes; ${cpus().length} processors, load ${loadavg()[0].toFixed(1)}`);
  const all = [];
  for (let count = 0; count < LOADS; count += 1) all.push(await oneLoad(browser, server.origin + path));
  const names = { open: "cold, until the end is shown", middle: "jump to the middle", start: "jump to the start", end: "jump to the end", text: "search to the last line", regex: "search by regex" };
  table(["what", `median of ${LOADS}, ms`, "all, ms"], Object.entries(names).map(([key, name]) => [name, ...show(all.map((times) => times[key]))]));
  table([`${RATE} lines a second`, "frames a second", "99 %, ms", "longest, ms", "the page's thread is busy", "lines shown"], [
    ["following the end", ...(await frames(browser, writer, server.origin, true))],
    ["scrolled to the start", ...(await frames(browser, writer, server.origin, false))],
  ]);
} finally {
  await browser.close();
  server.cleanUp();
}
