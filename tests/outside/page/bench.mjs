// How fast the page is with a thousand builders, in headless Chromium: prints tables, asserts nothing.
//   node bench.mjs [--loads N] [--seconds N] [--events N] [--profile FOLDER]
// --profile writes a CPU profile of each situation, which a browser's developer tools open.
import { mkdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { launchBrowser } from "../chromium.mjs";
import { openTab, status } from "./browser.mjs";
import { BUILDERS, BUILDS, LONG, startMany } from "./many.mjs";

const { values: options } = parseArgs({
  options: {
    loads: { type: "string", default: "7" },
    seconds: { type: "string", default: "10" },
    events: { type: "string", default: "200" },
    profile: { type: "string" },
  },
});
const [LOADS, SECONDS, EVENTS] = [options.loads, options.seconds, options.events].map(Number);
const FILES = ["/", "/page/page.css", "/page/page.js", "/page/chart.js"];
const BUILD = `/builders/${LONG.builder}/builds/${LONG.number}`;

// In the page, before it is: when something is on screen, and what its sockets bring. A frame after an element is in
// the document, it is painted.
const WATCH = () => {
  window.seen = {};
  window.sockets = 0;
  window.messages = 0;
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      window.sockets += 1;
      this.addEventListener("message", () => (window.messages += 1));
    }
  };
  const look = () => {
    const { seen } = window;
    if (seen.first === undefined && document.querySelector(".builders > li .cell, .step") !== null) {
      seen.first = 0;
      requestAnimationFrame(() => (seen.first = performance.now()));
    }
    const text = document.querySelector("main > p [role=status]")?.textContent ?? "";
    if (seen.all === undefined && /^\d+ builders$/.test(text)) seen.all = performance.now();
    if (seen.first === undefined || seen.all === undefined) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};

// In the page: the time between frames, in milliseconds, while it scrolls or not.
const FRAMES = async ({ ms, scrolls }) => {
  const deltas = [];
  const start = performance.now();
  let last = start;
  let step = 60;
  while (last - start < ms) {
    const now = await new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));
    deltas.push(now - last);
    last = now;
    if (!scrolls) continue;
    if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) step = -60;
    if (scrollY === 0) step = 60;
    scrollBy(0, step);
  }
  return deltas;
};

const sorted = (values) => values.toSorted((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

async function load(browser, url) {
  const { page } = await openTab(browser);
  await page.addInitScript(WATCH);
  await page.goto(url);
  await status(page, "Live");
  const seen = await page.evaluate(() => window.seen);
  await page.close();
  return seen;
}

// Frames while running builds change; `build` names the one that does, or all.
async function frames(browser, server, { path, build, scrolls, events }) {
  const { page } = await openTab(browser);
  await page.addInitScript(WATCH);
  await page.goto(server.origin + path);
  await status(page, "Live");
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "JSHeapUsedSize").value / 2 ** 20;
  };
  const [before, writer] = [await heap(), events > 0 ? server.write(build, events) : undefined];
  await page.waitForTimeout(1_000);
  const received = await page.evaluate(() => window.messages);
  if (options.profile) {
    await session.send("Profiler.enable");
    await session.send("Profiler.start");
  }
  const deltas = await page.evaluate(FRAMES, { ms: SECONDS * 1_000, scrolls });
  const profile = options.profile && (await session.send("Profiler.stop")).profile;
  const { messages, sockets } = await page.evaluate(() => ({ messages: window.messages, sockets: window.sockets }));
  writer?.stop();
  const said = await page.locator(".status").innerText();
  const after = await heap();
  await page.close();
  return { deltas, profile, events: (messages - received) / SECONDS, sockets, before, after, said: said.trim().split("\n")[0] };
}

const sizeOf = (url) => new Promise((resolve, reject) => {
  get(url, { headers: { "Accept-Encoding": "gzip" } }, (response) => {
    let size = 0;
    response.on("data", (chunk) => (size += chunk.length)).on("end", () => resolve(size));
  }).on("error", reject);
});

function table(head, rows) {
  console.log(`\n| ${head.join(" | ")} |\n|${" --- |".repeat(head.length)}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}

const server = await startMany();
const browser = await launchBrowser();
try {
  console.log(`${BUILDERS} builders with ${BUILDS} builds each; ${cpus().length} processors, load ${loadavg()[0].toFixed(1)}`);
  const seen = [];
  for (let count = 0; count < LOADS; count += 1) seen.push(await load(browser, server.origin));
  const [first, all] = ["first", "all"].map((what) => seen.map((times) => times[what]));
  table(["home, cold", `median of ${LOADS}, ms`, "all, ms"], [["first rows", first], [`all ${BUILDERS}`, all]].map(([what, times]) =>
    [what, Math.round(median(times)), sorted(times).map(Math.round).join(" ")]));

  const situations = [
    ["home, nothing happens", { path: "/", events: 0 }],
    ["home", { path: "/", build: "all", events: EVENTS }],
    ["home, scrolling", { path: "/", build: "all", events: EVENTS, scrolls: true }],
    ["home, failing first", { path: "/?sort=urgent", build: "all", events: EVENTS }],
    [`a build of ${LONG.steps} steps`, { path: BUILD, build: LONG.number, events: EVENTS }],
    ["the same, scrolling", { path: BUILD, build: LONG.number, events: EVENTS, scrolls: true }],
  ];
  const rows = [];
  for (const [what, situation] of situations) {
    const { deltas, profile, events, sockets, before, after, said } = await frames(browser, server, situation);
    const ordered = sorted(deltas);
    rows.push([what, events.toFixed(0), (1_000 * deltas.length / deltas.reduce((sum, delta) => sum + delta, 0)).toFixed(0),
      median(deltas).toFixed(0), ordered[Math.floor(ordered.length * 0.99)].toFixed(0), ordered.at(-1).toFixed(0),
      `${before.toFixed(1)}, ${after.toFixed(1)}`, sockets, said]);
    if (!profile) continue;
    mkdirSync(options.profile, { recursive: true });
    writeFileSync(`${options.profile}/${what.replaceAll(/\W+/g, "-")}.cpuprofile`, JSON.stringify(profile));
  }
  table([`frames in ${SECONDS} s`, "events/s", "frames/s", "median, ms", "worst 1 %, ms", "longest, ms", "heap before, after, MiB", "sockets", "it says"], rows);

  const sizes = await Promise.all(FILES.map((file) => sizeOf(server.origin + file)));
  table(["file", "bytes, gzipped"], [...FILES.map((file, index) => [file, sizes[index]]), ["all", sizes.reduce((a, b) => a + b)]]);
} finally {
  await browser.close();
  server.cleanUp();
}
