// What each view shows, and that it changes as the database does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { TIMEOUT, startServer } from "../server.mjs";
import { openTab, shows, status } from "./browser.mjs";
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

// A tab on this path, once it is live. At the end nothing must have gone wrong in it.
async function on(path, body, options) {
  const { page, faults, sockets } = await openTab(browser, options);
  try {
    await page.goto(origin + path);
    await status(page, "Live");
    await body(page, sockets);
    assert.deepEqual(faults, []);
  } finally {
    await page.close();
  }
}

const row = (page, name) => page.locator(".builders > li", { has: page.getByRole("link", { name, exact: true }) });
// Without their times: a build of a moment may take none or a second.
const cells = (page, name) => row(page, name).locator(".cell")
  .evaluateAll((all) => all.toReversed().map((cell) => cell.getAttribute("aria-label").split(",")[0]));

test("an empty database says how to fill it, and shows what comes", async () => {
  await on("/", async (page) => {
    await shows(page.locator("main"), "serve --demo");
    await shows(page.locator("main"), "attach");
    await writer.builder("first", { tags: ["a"] });
    await row(page, "first").waitFor();
    assert.equal(await page.locator("main .advice").count(), 0);
  });
});

test("home follows builds, their steps and their results, over one socket", async () => {
  const builder = await writer.builder("follow", { tags: ["one", "two"] });
  await writer.past(builder, "SUCCESS");
  await on("/", async (page, sockets) => {
    assert.deepEqual(await cells(page, "follow"), ["#1: success"]);
    const { buildid } = await writer.build(builder);
    const step = await writer.step(buildid, "compile");
    await shows(row(page, "follow").locator(".builder-now"), "compile");
    assert.match((await cells(page, "follow"))[1], /^#2: running/);
    await writer.finishStep(step.stepid, "FAILURE");
    await writer.step(buildid, "upload");
    await shows(row(page, "follow").locator(".builder-now"), "upload");
    await writer.finishBuild(buildid, "FAILURE");
    await shows(row(page, "follow").locator(".builder-numbers"), "50%");
    assert.match((await cells(page, "follow"))[1], /^#2: failure/);
    assert.equal(await row(page, "follow").locator(".builder-now").innerText(), "");
    assert.deepEqual(await row(page, "follow").locator(".tag").allInnerTexts(), ["one", "two"]);
    assert.equal(sockets.length, 1);
  });
});

test("home keeps the newest twenty builds", async () => {
  const builder = await writer.builder("many");
  for (let count = 0; count < 20; count += 1) await writer.past(builder, count === 0 ? "FAILURE" : "SUCCESS");
  await on("/", async (page) => {
    assert.equal((await cells(page, "many")).length, 20);
    assert.match((await cells(page, "many"))[0], /^#1: failure/);
    await writer.past(builder, "WARNINGS");
    await row(page, "many").locator('[aria-label^="#21: warnings"]').waitFor();
    await shows(row(page, "many").locator(".builder-numbers"), "100%");
    const shown = await cells(page, "many");
    assert.deepEqual([shown.length, shown[0], shown.at(-1)], [20, "#2: success", "#21: warnings"]);
  });
});

test("filters stand in the address and hold", async () => {
  const [red, green] = [await writer.builder("filter-red", { tags: ["colour"] }), await writer.builder("filter-green", { tags: ["colour"] })];
  await writer.past(red, "FAILURE");
  await writer.past(green, "SUCCESS");
  await on("/?tag=colour", async (page) => {
    const names = () => page.locator(".builder-name > a").allInnerTexts();
    assert.deepEqual(await names(), ["filter-green", "filter-red"]);
    await page.getByLabel("Order").selectOption("urgent");
    assert.deepEqual(await names(), ["filter-red", "filter-green"]);
    await page.getByLabel("Last result").selectOption("success");
    assert.deepEqual(await names(), ["filter-green"]);
    await page.getByRole("searchbox").fill("RED");
    await shows(page.locator("main"), "No builder fits");
    await page.getByLabel("Last result").selectOption("any");
    assert.deepEqual(await names(), ["filter-red"]);
    assert.equal(new URL(page.url()).search, "?tag=colour&sort=urgent&name=RED");
    await page.reload();
    await status(page, "Live");
    assert.deepEqual(await names(), ["filter-red"]);
    assert.equal(await page.getByRole("searchbox").inputValue(), "RED");
  });
});

test("arrow keys lead from builder to builder and from build to build", async () => {
  const [above, below] = [await writer.builder("keys-a"), await writer.builder("keys-b")];
  for (const builder of [above, above, below]) await writer.past(builder);
  await on("/?name=keys", async (page) => {
    const focused = () => page.evaluate(() => document.activeElement.getAttribute("href"));
    await page.getByRole("link", { name: "keys-a", exact: true }).focus();
    const seen = [];
    for (const key of ["ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"]) {
      await page.keyboard.press(key);
      seen.push(await focused());
    }
    const [a, b] = ["/builders/keys-a", "/builders/keys-b"];
    assert.deepEqual(seen, [b, `${b}/builds/1`, `${a}/builds/2`, `${a}/builds/1`]);
    await page.keyboard.press("Enter");
    await shows(page.locator("h1"), "keys-a #1");
    await page.goBack();
    await shows(page.locator("h1"), "Builders");
    assert.equal(await page.getByRole("searchbox").inputValue(), "keys");
  });
});

test("a builder shows its builds, its steps and what they add up to, and follows them", async () => {
  const name = "a/b c?d#e%20ü";
  const builder = await writer.builder(name, { tags: ["odd"] });
  for (const results of ["SUCCESS", "FAILURE"]) await writer.past(builder, results, [["compile", "SUCCESS"], ["test", results]]);
  await on(`/builders/${encodeURIComponent(name)}`, async (page) => {
    await shows(page.locator("h1"), name);
    await shows(page.locator(".numbers"), "50%");
    assert.deepEqual(await page.locator(".heat tbody th").allInnerTexts(), ["compile", "test"]);
    assert.equal(await page.locator(".heat-failed").count(), 1);
    await page.locator(".chart canvas").waitFor();
    const { buildid } = await writer.build(builder);
    await writer.step(buildid, "compile");
    await page.locator(".heat-running").waitFor();
    await writer.finishBuild(buildid, "SUCCESS");
    await shows(page.locator(".numbers"), "67%");
    await shows(page.locator("#history"), "History (3)");
    await page.getByRole("region", { name: "Builds" }).getByRole("link", { name: "#2" }).click();
    await shows(page.locator("h1"), `${name} #2`);
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await shows(page.locator(".build-state"), "failure");
  });
});

test("the history goes back page by page", async () => {
  const builder = await writer.builder("long");
  for (let count = 0; count < 35; count += 1) await writer.past(builder);
  await on("/builders/long", async (page) => {
    const numbers = () => page.getByRole("region", { name: "Builds" }).locator("tbody th").allInnerTexts();
    assert.deepEqual([(await numbers()).length, (await numbers())[0]], [30, "#35"]);
    await page.getByRole("button", { name: "Older" }).click();
    await page.waitForFunction(() => document.querySelectorAll("[aria-label=Builds] tbody th").length === 5);
    assert.deepEqual(await numbers(), ["#5", "#4", "#3", "#2", "#1"]);
    assert.equal(new URL(page.url()).search, "?before=6");
    assert.equal(await page.getByRole("button", { name: "Older" }).count(), 0);
    await page.getByRole("button", { name: "Newest" }).click();
    assert.equal((await numbers())[0], "#35");
  });
});

test("a build shows its steps as they run, wait, end and hide", async () => {
  const builder = await writer.builder("life");
  await writer.past(builder, "SUCCESS", [["compile", "SUCCESS"]]);
  const { buildid } = await writer.build(builder);
  await on("/builders/life/builds/2", async (page) => {
    await shows(page.locator(".waterfall"), "No step has begun yet.");
    const compile = await writer.step(buildid, "compile");
    const line = (step) => page.locator(`[data-step="${step.number}"]`);
    await line(compile).locator(".bar.is-running").waitFor();
    await line(compile).locator(".bar-ghost").waitFor();
    await writer.say(compile.stepid, "compiling 7 of 9");
    await shows(line(compile), "compiling 7 of 9");
    await writer.finishStep(compile.stepid, "WARNINGS");
    await line(compile).locator(".bar.is-warnings").waitFor();
    const upload = await writer.step(buildid, "upload", "waiting");
    await line(upload).locator(".bar.is-waiting").waitFor();
    assert.equal(await line(upload).locator(".bar.is-running").count(), 0);
    await writer.finishStep(upload.stepid, "SUCCESS", true);
    await line(upload).waitFor({ state: "detached" });
    await page.getByLabel("Show 1 hidden step").check();
    await line(upload).waitFor();
    await writer.finishBuild(buildid, "WARNINGS");
    await shows(page.locator(".build-state"), "warnings");
  });
});

test("keys of the build view; a step's address", async () => {
  const builder = await writer.builder("keys");
  const { buildid } = await writer.build(builder);
  for (const [name, results] of [["git", "SUCCESS"], ["compile", "FAILURE"], ["cleanup", "SUCCESS"]]) {
    const { stepid } = await writer.step(buildid, name);
    if (name === "compile") await writer.link(stepid, "report", "https://example.org/report");
    await writer.finishStep(stepid, results);
  }
  await writer.finishBuild(buildid, "FAILURE");
  await on("/builders/keys/builds/1", async (page) => {
    const focused = () => page.evaluate(() => document.activeElement.closest("[data-step]")?.dataset.step);
    const seen = [];
    for (const key of ["j", "j", "k", "f"]) {
      await page.keyboard.press(key);
      seen.push(await focused());
    }
    assert.deepEqual(seen, ["0", "1", "0", "1"]);
    assert.equal(new URL(page.url()).pathname, "/builders/keys/builds/1/steps/1");
    assert.equal(await page.locator(".details a").getAttribute("href"), "https://example.org/report");
    await page.keyboard.press("Enter");
    await page.locator(".details").waitFor({ state: "detached" });
    await page.keyboard.press("k");
    await page.setViewportSize({ width: 1280, height: 240 });
    await page.evaluate(() => scrollTo(0, 150));
    await page.keyboard.press("Enter");
    await page.locator('[data-step="0"] .details').waitFor();
    assert.equal(await page.evaluate(() => scrollY), 150);
    assert.equal(new URL(page.url()).pathname, "/builders/keys/builds/1/steps/0");
    await page.reload();
    await page.locator('[data-step="0"] .details').waitFor();
    assert.equal(await focused(), "0");
  });
});

test("now shows what runs and what waits, longest first", async () => {
  const [one, two] = [await writer.builder("now-one"), await writer.builder("now-two")];
  const [first, second] = [await writer.build(one), await writer.build(two)];
  await on("/now", async (page) => {
    const running = page.locator("[aria-labelledby=running]");
    await shows(running, "now-one");
    const wait = await writer.step(first.buildid, "link", "waiting");
    await shows(page.locator("[aria-labelledby=waiting]"), /now-one #1\s+link/);
    await writer.step(second.buildid, "compile");
    await shows(running, "compile");
    await writer.finishStep(wait.stepid, "CANCELLED");
    await page.locator("[aria-labelledby=waiting]").waitFor({ state: "detached" });
    await writer.finishBuild(first.buildid, "CANCELLED");
    await page.waitForFunction(() => !document.querySelector("[aria-labelledby=running]").innerText.includes("now-one"));
    await writer.finishBuild(second.buildid);
  });
});

test("what is not there says so", async () => {
  await on("/builders/nobody", (page) => shows(page.locator("main"), 'no builder with the name "nobody"'));
  await on("/builders/first/builds/77", (page) => shows(page.locator("main"), "first has no build 77"));
  const { page } = await openTab(browser);
  await page.goto(`${origin}/builders/first/builds/0x1`);
  await shows(page.locator("h1"), "There is nothing here");
  await page.close();
});

test("each view opens its own query in GraphiQL", async () => {
  const builder = await writer.builder("asked");
  await writer.past(builder, "SUCCESS", [["compile", "SUCCESS"]]);
  const { page } = await openTab(browser);
  for (const [path, field] of [["/", "builders"], ["/builders/asked", "builder"], ["/builders/asked/builds/1", "builder"], ["/now", "builds"]]) {
    await page.goto(origin + path);
    await page.getByRole("link", { name: "Ask this yourself" }).click();
    await page.locator('button[aria-label^="Execute query"]').click();
    await page.waitForFunction((field) => {
      const text = document.querySelector(".result-window .CodeMirror")?.CodeMirror.getValue();
      return text && JSON.parse(text).data?.[field] !== undefined;
    }, field);
  }
  await page.close();
});
