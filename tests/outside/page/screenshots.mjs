// Screenshots of the demo, which stands still: two runs on one machine give the same pixels.
//   node screenshots.mjs FOLDER
import { join } from "node:path";
import { launchBrowser } from "../chromium.mjs";
import { start } from "../server.mjs";
import { openTab, status } from "./browser.mjs";
import { Writer } from "./writer.mjs";

const AT = "2026-11-27T12:00:00Z";
// One whose unit tests have grown slower, and one that fails now and then.
const [SLOWER, FAILING] = ["runtests-macos", "runtests-linux"];
const [folder] = process.argv.slice(2);

// The newest build of the builder that failed, or else its newest.
async function buildToShow(origin) {
  const { builder } = await new Writer(origin).run(`query ($name: String!) {
    builder(name: $name) { builds(first: 20, orderBy: [{ field: NUMBER, direction: DESC }]) { nodes { number results } } }
  }`, { name: FAILING });
  const builds = builder.builds.nodes;
  return (builds.find(({ results }) => results === "FAILURE") ?? builds[0]).number;
}

async function shoot(browser, url, colorScheme, path) {
  const { page } = await openTab(browser, { colorScheme, reducedMotion: "reduce" });
  await page.clock.setFixedTime(AT);
  // The page goes by the server's clock, which says what time it really is.
  await page.route("**/graphql", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), date: new Date(AT).toUTCString() } });
  });
  await page.goto(url);
  await status(page, "Live");
  if (await page.locator(".chart").count()) await page.locator(".chart canvas").waitFor();
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path });
  await page.close();
}

const server = await start(["--demo", "--demo-at", AT]);
const browser = await launchBrowser();
try {
  const views = { home: "/", builder: `/builders/${SLOWER}`, build: `/builders/${FAILING}/builds/${await buildToShow(server.origin)}` };
  for (const [name, path] of Object.entries(views)) {
    for (const colorScheme of ["light", "dark"]) await shoot(browser, server.origin + path, colorScheme, join(folder, `${name}-${colorScheme}.png`));
  }
} finally {
  await browser.close();
  server.cleanUp();
}
