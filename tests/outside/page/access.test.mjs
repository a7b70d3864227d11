// Everybody can use the page: axe-core finds nothing, the keyboard reaches everything, nothing is wider than the screen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, start, startServer } from "../server.mjs";
import { openTab, shows } from "./browser.mjs";
import { Writer } from "./writer.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [320, 390, 768, 1280, 2560];
const servers = {};
let browser;

// Each view: its server, its address, what it shows once it is whole, and what to do before it is looked at.
const BUILD = "/builders/linux/builds/4";
const VIEWS = {
  home: ["full", "/", "windows"],
  "home of what fails": ["full", "/?result=failure&sort=urgent", "linux"],
  "home of nothing": ["full", "/?name=nothing-like-this", "No builder fits"],
  builder: ["full", "/builders/linux", "Where the time goes"],
  "builder with older builds": ["full", "/builders/linux?before=3", "#2"],
  "builder without builds": ["full", "/builders/windows", "No build has ended yet"],
  build: ["full", BUILD, "checkout"],
  "build with an open step and the hidden ones": ["full", `${BUILD}/steps/1`, "compile", (page) => page.getByLabel(/hidden step/).check()],
  "build with an open log": ["full", `${BUILD}/steps/2/logs/stdio#L3`, "This may be the first error", searchLog],
  "build with an HTML log": ["full", `${BUILD}/steps/2/logs/report`, "report"],
  "build with a log that nobody knows": ["full", `${BUILD}/steps/2/logs/nothing`, "has no log"],
  "build that runs": ["full", "/builders/macos/builds/3/steps/1", "waiting for a lock"],
  "build without steps": ["full", "/builders/docs/builds/1", "No step has begun yet"],
  now: ["full", "/now", "Waiting for a lock"],
  empty: ["empty", "/", "no builders"],
  "now with nothing": ["empty", "/now", "Nothing runs"],
  "unknown builder": ["full", "/builders/nobody", "There is no builder"],
  "unknown build": ["full", "/builders/linux/builds/77", "has no build"],
  "unknown address": ["full", "/builders/linux/builds/0x1", "nothing here"],
  token: ["closed", "/", "answers nobody"],
};

before(async () => {
  servers.full = await startServer();
  servers.empty = await startServer();
  servers.closed = await start(["--anonymous", "none"]);
  await fill(new Writer(servers.full.origin));
  browser = await launchBrowser();
}, { timeout: 4 * TIMEOUT });

after(async () => {
  await browser?.close();
  for (const server of Object.values(servers)) server.cleanUp();
});

// Builders with builds of each result, a step that is hidden, one with links, one that waits, and long words.
async function fill(writer) {
  const linux = await writer.builder("linux", { tags: ["release", "a-tag-that-is-longer-than-there-is-room"] });
  await writer.describe(linux, "Builds and tests on Linux");
  for (const results of ["SUCCESS", "WARNINGS", "EXCEPTION"]) await writer.past(linux, results, [["checkout", "SUCCESS"], ["compile", results]]);
  const build = await writer.build(linux);
  await writer.finishStep((await writer.step(build.buildid, "prepare")).stepid, "SUCCESS", true);
  const step = await writer.step(build.buildid, "checkout");
  await writer.link(step.stepid, "log", "https://example.org/log");
  await writer.finishStep(step.stepid);
  const compile = await writer.step(build.buildid, "compile");
  await writer.say(compile.stepid, `a state without a space: ${"/path".repeat(60)}`);
  await fillLogs(writer, compile.stepid);
  await writer.finishStep(compile.stepid, "FAILURE");
  await writer.finishBuild(build.buildid, "FAILURE");
  const macos = await writer.builder("macos", { tags: ["release"] });
  for (const results of ["RETRY", "CANCELLED"]) await writer.past(macos, results, [["checkout", "SUCCESS"]]);
  const running = await writer.build(macos);
  await writer.finishStep((await writer.step(running.buildid, "checkout")).stepid);
  await writer.step(running.buildid, "the-one-machine-of-its-kind", "waiting");
  await writer.build(await writer.builder("docs"));
  await writer.past(await writer.builder("a-name-of-a-builder-that-is-much-longer-than-there-is-room-on-a-phone"), "SKIPPED");
  await writer.builder("windows");
}

// A log with each stream, each colour as text and as ground, links and a long line; and one of HTML.
async function fillLogs(writer, stepid) {
  const { logid } = await writer.log(stepid);
  await writer.append(logid, "make all\n", "HEADER");
  await writer.append(logid, `see https://example.org/log ${"and so on ".repeat(60)}\n`);
  for (const code of [30, 40, 90, 100]) {
    for (let color = code; color < code + 8; color += 1) await writer.append(logid, `\x1b[${color}mcolour ${color}\x1b[0m \x1b[2mdim\x1b[0m\n`);
  }
  await writer.append(logid, "src/main.c:4: error: no such thing\n", "STDERR");
  await writer.finishLog(logid);
  const report = await writer.log(stepid, "report", "HTML");
  await writer.append(report.logid, "<!doctype html><html lang=en><title>Report</title><main><h1>Report</h1></main></html>\n");
  await writer.finishLog(report.logid);
}

async function searchLog(page) {
  await page.getByLabel("Search in this log").fill("colour 3");
  await page.keyboard.press("Enter");
  await page.locator(".is-current").waitFor();
}

// In the page: what axe-core finds, by rule and selector. Its rules for AAA ask for more than this page promises.
const violations = async () => {
  const wanted = window.axe.getRules().filter(({ tags }) => !tags.some((tag) => /aaa$|experimental|deprecated/.test(tag)));
  const { violations } = await window.axe.run(document, {
    runOnly: { type: "rule", values: wanted.map(({ ruleId }) => ruleId) },
  });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, any }) => `${id} (${help}) ${target} ${any[0]?.message ?? ""}`));
};

async function expectNoViolations(page) {
  // The policy of the page lets no script in but its own; this is the browser's own way.
  await page.evaluate(AXE);
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 });
      await drawn(page);
      for (const violation of await page.evaluate(violations)) found.push(`${colorScheme}, ${width} wide: ${violation}`);
    }
  }
  assert.deepEqual(found, []);
}

const drawn = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

async function expectFits(page) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    await drawn(page);
    const all = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(all <= width, `it is ${all} wide on a screen of ${width}`);
  }
}

async function expectExactTimes(page) {
  const times = await page.locator("time").evaluateAll((all) => all.map(({ dateTime, title }) => ({ dateTime, title })));
  for (const { dateTime, title } of times) assert.equal(Date.parse(title.replace(" at", ",")), Date.parse(dateTime), title);
  const bare = await page.evaluate(() => [...document.querySelectorAll("main *")]
    .filter((element) => element.children.length === 0 && / ago$/.test(element.textContent) && element.closest("[title]") === null)
    .map((element) => element.outerHTML));
  assert.deepEqual(bare, []);
}

// In the page: notes what gets the focus.
const noteFocus = () => {
  window.reached = new Set();
  addEventListener("focusin", ({ target }) => window.reached.add(target));
  document.activeElement?.blur();
};
// In the page: what can be used and never got the focus. A log may have a million lines: the keyboard scrolls them as one,
// and the field "Line" leads to each as its number does.
const missed = () => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]:not(main)")]
  .filter((element) => !element.matches(".log-number") && !window.reached.has(element) && element.getClientRects().length > 0)
  .map((element) => element.outerHTML.slice(0, 120));
// In the page: what has the focus, and whether a person sees it.
const focused = () => {
  const element = document.activeElement;
  if (element === document.body) return undefined;
  const { top, left, bottom } = element.getBoundingClientRect();
  const head = document.querySelector("header");
  const edge = head === null || head.contains(element) || element.matches(".skip") ? 0 : head.getBoundingClientRect().bottom - 1;
  return {
    what: element.outerHTML.slice(0, 120),
    isInRow: element.closest(".virtual") !== null,
    isSeen: left >= 0 && bottom > edge && (top >= edge || bottom > innerHeight) && getComputedStyle(element).outlineStyle !== "none",
  };
};

// Presses a key until three presses in a row lead to nothing new: at both ends of a page one goes elsewhere.
async function pressUntilAllIsSeen(page, key, each) {
  const size = () => page.evaluate(() => window.reached.size);
  let [known, idle] = [await size(), 0];
  while (idle < 3) {
    await page.keyboard.press(key);
    const now = await page.evaluate(focused);
    if (now !== undefined) {
      assert(now.isSeen, `the focus cannot be seen: ${now.what}`);
      await each?.(now);
    }
    const reached = await size();
    idle = reached > known ? 0 : idle + 1;
    known = reached;
  }
}

async function expectKeyboardReachesAll(page) {
  await page.evaluate(noteFocus);
  await pressUntilAllIsSeen(page, "Tab", async ({ isInRow }) => {
    // In a row of a list the arrows lead to the rest of it.
    if (isInRow) await pressUntilAllIsSeen(page, "ArrowRight");
  });
  assert.deepEqual(await page.evaluate(missed), []);
}

for (const [name, [server, path, text, prepare]] of Object.entries(VIEWS)) {
  test(name, async () => {
    const { page } = await openTab(browser);
    try {
      await page.goto(servers[server].origin + path);
      await shows(page.locator("#main"), text);
      await prepare?.(page);
      await expectKeyboardReachesAll(page);
      await expectExactTimes(page);
      await expectFits(page);
      await expectNoViolations(page);
    } finally {
      await page.close();
    }
  });
}
