// The page beside a real master: before its database is attached, while it builds, when the feed is dropped, and while
// the database is away.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { launchBrowser } from "../chromium.mjs";
import { openTab, shot, shows, status } from "../page/browser.mjs";
import { TIMEOUT, launch } from "../server.mjs";
import { oneMore } from "./builds.mjs";
import { TRIGGERS } from "./database.mjs";
import { Master } from "./master.mjs";
import { OurServer, attach } from "./our_server.mjs";

let browser;

before(async () => {
  browser = await launchBrowser();
}, { timeout: TIMEOUT });

after(() => browser?.close());

// The log of a step that has ended: the master's lines, and their streams.
async function expectLog(page, ours, master, build, { stepid, number }) {
  const { logs: [log] } = await master.get(`steps/${stepid}/logs`);
  const { logchunks: [{ content }] } = await master.get(`logs/${log.logid}/contents`);
  await page.goto(`${ours.origin}/${build}/steps/${number}/logs/${log.slug}`);
  await page.locator(".log-text").nth(log.num_lines - 1).waitFor();
  const rows = await page.locator(".log-row").evaluateAll((all) => all.map((row) => {
    const sign = row.querySelector(".log-stream").textContent;
    return { H: "h", E: "e", "": "o" }[sign] + row.querySelector(".log-text").textContent;
  }));
  assert.deepEqual(rows, content.trimEnd().split("\n"));
  await shot(page, "master-log");
}

test("a master's database, before and after attach", { timeout: 600_000 }, async () => {
  const master = await Master.create("SQLite");
  const { page, faults } = await openTab(browser);
  let ours;
  try {
    await master.start();
    const first = await oneMore(master);
    ours = await OurServer.serve(master);
    await page.goto(ours.origin);
    await status(page, "Not live");
    await shows(page.locator(".advice"), "buildbot-graphql attach");
    const row = (name) => page.locator(".builders > li", { has: page.getByRole("link", { name, exact: true }) });
    await shows(row("1").locator(".builder-numbers"), "100%");
    assert.equal(await page.locator("main.is-past").count(), 1);
    await shot(page, "master-detached");
    await attach(master);
    await status(page, "Live");
    const { builds: [{ number }] } = await master.get(`builds/${first}`);
    const second = await oneMore(master);
    await row("1").locator(`.cell[href$="/builds/${number + 1}"][aria-label*=success]`).waitFor();
    await page.goto(`${ours.origin}/builders/1/builds/${number + 1}`);
    await status(page, "Live");
    const steps = (await master.stepsOf(second)).filter(({ hidden }) => !hidden);
    assert.equal(await page.locator("[data-step]").count(), steps.length);
    await shot(page, "master-build");
    await expectLog(page, ours, master, `builders/1/builds/${number + 1}`, steps.find(({ name }) => name === "one"));
    await page.goto(`${ours.origin}/builders/1`);
    await status(page, "Live");
    assert.equal(await page.locator(".heat thead th").count(), 3);
    await shot(page, "master-builder");
    await page.goto(`${ours.origin}/now`);
    await status(page, "Live");
    await master.force("sleeps");
    await shows(page.locator("[aria-labelledby=running]"), "sleeper");
    await shot(page, "master-now");
    await master.stopBuild(await master.running("sleeps", "sleeper"));
    await shows(page.locator("[aria-labelledby=running]"), "Nothing runs.");
    // A master's database may hold any address.
    const urls = JSON.stringify([{ name: "report", url: "http://example.org/" }, { name: "script", url: "javascript:alert(1)" }]);
    await master.database.sql(`UPDATE steps SET urls_json = '${urls}' WHERE id = ${steps[0].stepid}`);
    await page.goto(`${ours.origin}/builders/1/builds/${number + 1}/steps/${steps[0].number}`);
    await shows(page.locator(".details"), "script: javascript:alert(1)");
    assert.equal(await page.locator(".details a").count(), 1);
    await master.database.sql(...TRIGGERS.map((trigger) => master.database.dropTrigger(...trigger)));
    await status(page, "Not live");
    await attach(master);
    await status(page, "Live");
    assert.deepEqual(faults.filter((fault) => !/WebSocket|status of/.test(fault)), []);
    await master.stop();
  } finally {
    await page.close();
    await ours?.kill();
    await master.cleanUp();
  }
});

// What stands between the server and its database.
class Cable {
  static async to(url) {
    const { hostname, port } = new URL(url);
    const cable = new Cable();
    cable.ends = new Set();
    cable.server = createServer((near) => {
      if (cable.isCut) return near.destroy();
      const far = connect(Number(port), hostname);
      for (const [end, other] of [[near, far], [far, near]]) {
        cable.ends.add(end);
        end.on("error", () => {}).on("close", () => (cable.ends.delete(end), other.destroy())).pipe(other);
      }
    });
    cable.server.listen(0, "127.0.0.1");
    await once(cable.server, "listening");
    cable.url = url.replace(`:${port}/`, `:${cable.server.address().port}/`);
    return cable;
  }

  cut() {
    this.isCut = true;
    for (const end of this.ends) end.destroy();
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

for (const kind of ["PostgreSQL", "MariaDB"]) {
  test(`a database that goes away and comes back, on ${kind}`, { timeout: 600_000 }, async () => {
    const master = await Master.create(kind);
    const { page } = await openTab(browser);
    let ours, cable;
    try {
      await master.start();
      await attach(master);
      await oneMore(master);
      cable = await Cable.to(master.database.ours);
      ours = await launch(master.dir, "127.0.0.1:0", ["--database-url", cable.url, "--anonymous", "read"]);
      await page.goto(`${ours.origin}/builders/1`);
      await status(page, "Live");
      cable.cut();
      await status(page, /^Not live for/);
      await shows(page.locator(".advice"), "cannot read its database");
      await shot(page, `away-${kind}`);
      await oneMore(master);
      cable.mend();
      await status(page, "Live");
      await shows(page.locator("#history"), "History (2)");
      await master.stop();
    } finally {
      await page.close();
      ours?.child.kill("SIGKILL");
      cable?.close();
      await master.cleanUp();
    }
  });
}
