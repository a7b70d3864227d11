// GraphiQL in a real browser, on the demo data.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "./chromium.mjs";
import { TIMEOUT, startDemo } from "./server.mjs";

let server, origin, browser, page;
const requests = [];
const errors = [];

before(async () => {
  server = await startDemo();
  ({ origin } = server);
  browser = await launchBrowser();
  page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT);
  page.on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => requests.push(socket.url()));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
}, { timeout: 2 * TIMEOUT });

after(async () => {
  await browser?.close();
  server?.cleanUp();
});

test("/graphql leads to GraphiQL with an example in each of three tabs", async () => {
  await page.goto(`${origin}/graphql`);
  assert.equal(page.url(), `${origin}/graphiql`);
  assert.equal(await page.title(), "buildbot-graphql");
  await executeButton().waitFor();
  assert.deepEqual(await tabTitles(), ["Builds", "FindBuilder", "Live"]);
});

test("the query shows builds with their steps", async () => {
  await openTab("Builds");
  await executeButton().click();
  const { nodes } = await answer("builds");
  const steps = nodes.flatMap((build) => build.steps);
  assert(steps.length > 0, JSON.stringify(nodes));
  assert.equal(typeof steps[0].stateString, "string");
});

test("one build's life runs from top to bottom", async () => {
  await openTab("FindBuilder");
  for (const [operation, field] of [
    ["FindBuilder", "findBuilder"], ["AddBuild", "addBuild"], ["NewStep", "newStep"], ["StartStep", "startStep"],
    ["SetState", "setStepStateString"], ["FinishStep", "finishStep"], ["FinishBuild", "finishBuild"],
  ]) {
    await executeButton('[aria-haspopup="menu"]').click();
    await page.getByRole("menuitem", { name: operation, exact: true }).click();
    await answer(field);
    await executeButton().waitFor();
  }
  const { build } = await answer("finishBuild");
  assert.deepEqual(build, {
    stateString: "build successful", results: "SUCCESS",
    steps: [{ name: "compile", stateString: "compile", results: "SUCCESS" }],
  });
  const variables = JSON.parse(await editorText(".graphiql-editor-tool"));
  assert.equal(variables.builder, "playground");
  for (const name of ["builderid", "buildid", "stepid"]) assert(variables[name] > 0, JSON.stringify(variables));
});

test("the same life again takes the ids of the new build", async () => {
  const before = JSON.parse(await editorText(".graphiql-editor-tool"));
  for (const [operation, name] of [["AddBuild", "buildid"], ["NewStep", "stepid"]]) {
    await executeButton('[aria-haspopup="menu"]').click();
    await page.getByRole("menuitem", { name: operation, exact: true }).click();
    await page.waitForFunction(([name, old]) => {
      const text = document.querySelector(".graphiql-editor-tool .CodeMirror").CodeMirror.getValue();
      return JSON.parse(text)[name] > old;
    }, [name, before[name]]);
  }
});

test("the subscription lists events as they happen, until it is stopped", async () => {
  await openTab("Live");
  const opened = page.waitForEvent("websocket");
  await executeButton().click();
  const socket = await opened;
  const closed = socket.waitForEvent("close", { timeout: 2 * TIMEOUT });

  let events = [];
  while (events.length < 3) events = await answer("stepEvents", events);
  for (const event of events) assert(event.step.build.builder.name);
  const cursors = events.map((event) => event.cursor);
  assert.deepEqual(cursors, [...new Set(cursors)].sort().reverse());

  await page.getByRole("button", { name: /^Stop query/ }).click();
  await closed;
  await executeButton().waitFor();
});

for (const width of [1400, 375]) {
  test(`nothing is clipped in a window of ${width} pixels`, async () => {
    await page.setViewportSize({ width, height: 900 });
    for (const tab of [0, 1, 2]) {
      await page.locator(".graphiql-tab-button").nth(tab).click();
      await executeButton().waitFor();
      const cut = await page.evaluate(() => {
        const panes = [...document.querySelectorAll(".graphiql-editor:not(.hidden), .result-window")];
        const wide = [document.documentElement, ...document.querySelectorAll(".CodeMirror-scroll")]
          // The editor hides its scroll bar in a margin of 50 pixels.
          .filter((e) => e.scrollWidth > e.clientWidth + 50);
        const small = panes.filter((pane) => {
          const { left, right, width, height } = pane.getBoundingClientRect();
          return left < 0 || right > innerWidth || width < 200 || height < 100;
        });
        return [...wide, ...small].map((e) => e.className);
      });
      assert.deepEqual(cut, [], `tab ${tab}`);
    }
  });
}

test("the docs of stepEvents keep their paragraphs", async () => {
  await page.setViewportSize({ width: 1400, height: 900 });
  await page.locator('button[aria-label="Show Documentation Explorer"]').click();
  const docs = page.locator(".graphiql-doc-explorer");
  // Other descriptions name it too.
  for (const name of ["Subscription", "stepEvents"]) {
    await docs.locator("a", { hasText: new RegExp(`^${name}$`) }).first().click();
  }
  const text = docs.locator(".graphiql-markdown-description").first();
  await text.locator("li").first().waitFor();
  assert.equal(await text.locator("p").count(), 2);
  assert.equal(await text.locator("li").count(), 6);
  await page.locator('button[aria-label="Hide Documentation Explorer"]').click();
});

test("the page has an icon", async () => {
  const icon = await page.evaluate(() => document.querySelector('link[rel="icon"]').href);
  for (const url of [icon, `${origin}/favicon.ico`]) {
    const answer = await fetch(url);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/svg+xml"], url);
  }
});

test("the documentation, a dialog and the history open", async () => {
  // A violation of the page's policy is a page error, which the last test looks for.
  for (const [button, shown] of [
    ["Show Documentation Explorer", ".graphiql-doc-explorer"], ["Show History", ".graphiql-history"],
    ["Open settings dialog", '[role="dialog"]'], ["Open short keys dialog", '[role="dialog"]'],
  ]) {
    await page.locator(`button[aria-label="${button}"]`).click();
    await page.locator(shown).waitFor();
    await page.keyboard.press("Escape");
  }
});

test("a later visit finds the tabs as they were left", async () => {
  await openTab("Builds");
  const text = "# Left by an earlier visit.\nquery Earlier { eventCursor }\n";
  await page.evaluate((text) => {
    document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror.setValue(text);
  }, text);
  await page.waitForFunction(() => localStorage.getItem("graphiql:tabState")?.includes("Left by an earlier visit"));
  await page.reload();
  await executeButton().waitFor();
  const [first, life, ...others] = await tabTitles();
  assert.deepEqual([first, others], ["Earlier", ["Live"]]);
  assert.equal(await editorText(".graphiql-query-editor"), text);
  // A tab has the name of its operation that ran last.
  await page.locator(".graphiql-tab-button", { hasText: life }).click();
  await page.waitForFunction(() => document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror.getValue()
    .includes("mutation FinishBuild("));
});

const LINKED = "query Linked($n: Int) { builds(first: $n) { nodes { number } } }";
const linkTo = (query, variables) => `${origin}/graphiql#${new URLSearchParams({ query, variables })}`;

// GraphiQL names a tab of several operations by one of them, and by another once it has parsed it.
const LIFE = ["FindBuilder", "AddBuild", "NewStep", "StartStep", "SetState", "FinishStep", "FinishBuild"];
const named = (titles) => titles.map((title) => (LIFE.includes(title) ? "the life of a step" : title));

async function expectLinked(titles, query, variables) {
  await executeButton().waitFor();
  assert.deepEqual(named(await tabTitles()), named(titles));
  await page.waitForFunction((query) => {
    return document.querySelector(".graphiql-query-editor .CodeMirror")?.CodeMirror.getValue() === query;
  }, query);
  assert.deepEqual(JSON.parse(await editorText(".graphiql-editor-tool")), variables);
  assert.equal(page.url(), `${origin}/graphiql`);
}

const kept = (operation) =>
  page.waitForFunction((text) => localStorage.getItem("graphiql:tabState")?.includes(text), operation);

test("a link's operation is in a tab beside what was left, and does not run by itself", async () => {
  const left = await tabTitles();
  await page.goto("about:blank");
  const asked = requests.length;
  await page.goto(linkTo(LINKED, '{"n":3}'));
  await expectLinked([...left, "Linked"], LINKED, { n: 3 });
  // GraphiQL itself asks for the schema.
  assert.equal(await editorText(".result-window"), "");
  assert(!requests.slice(asked).some((url) => url.includes("Linked")));
  await executeButton().click();
  assert.equal((await answer("builds")).nodes.length, 3);

  // GraphiQL keeps its tabs a moment after they change.
  await kept("Linked");

  // Where it is open already, and once more without another tab.
  const other = "query Other($n: Int) { builds(last: $n) { nodes { number } } }";
  await page.goto(linkTo(other, '{"n":1}'));
  await expectLinked([...left, "Linked", "Other"], other, { n: 1 });
  await kept("Other");
  await page.reload();
  await expectLinked([...left, "Linked", "Other"], other, { n: 1 });
});

test("a link's operation is in a tab beside the examples on a first visit", async () => {
  await page.evaluate(() => localStorage.clear());
  await page.goto("about:blank");
  await page.goto(linkTo(LINKED, '{"n":3}'));
  await expectLinked(["Linked", "Builds", "FindBuilder", "Live"], LINKED, { n: 3 });
});

test("the page took everything from the server and reported no error", () => {
  const elsewhere = requests.filter((url) => !["data:", "blob:"].includes(new URL(url).protocol))
    .filter((url) => new URL(url).host !== new URL(origin).host);
  assert(requests.length > 0);
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(errors, []);
});

test("SIGTERM ends the server cleanly, with the page still open", () => server.stop());

function executeButton(also = "") {
  return page.locator(`button[aria-label^="Execute query"]${also}`);
}

function tabTitles() {
  return page.locator(".graphiql-tab-button").allTextContents();
}

// Resolves when the editor has parsed the tab's text, a moment after it shows it.
async function openTab(operation) {
  await page.locator(".graphiql-tab-button", { hasText: operation }).click();
  await page.waitForFunction((operation) => {
    const ast = document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror.documentAST;
    return ast?.definitions[0].name?.value === operation;
  }, operation);
}

// An editor draws only the lines in view; this returns its whole text.
function editorText(pane) {
  return page.evaluate((pane) => document.querySelector(`${pane} .CodeMirror`)?.CodeMirror.getValue(), pane);
}

// Waits until the response pane shows this field of the data with a value other than `before`.
async function answer(field, before) {
  const shown = await page.waitForFunction(([field, before]) => {
    const text = document.querySelector(".result-window .CodeMirror")?.CodeMirror.getValue();
    const value = text && JSON.parse(text).data?.[field];
    return JSON.stringify(value) === before ? undefined : value;
  }, [field, JSON.stringify(before)]).catch(async (cause) => {
    throw new Error(`no ${field}; the response pane shows: ${await editorText(".result-window")}`, { cause });
  });
  return shown.jsonValue();
}
