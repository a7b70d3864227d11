// Pages in a real browser: of an allowed origin, and of a foreign one, which can change nothing and read nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { certificateFlags } from "./certificate.mjs";
import { launchBrowser } from "./chromium.mjs";
import { post } from "./resume.mjs";
import { TIMEOUT, start } from "./server.mjs";

const WRITE = 'mutation { findBuilder(name: "page") { name } }';
const HEADERS = {
  "Content-Type": "application/json",
  "X-Unusual": "1",
  "apollographql-client-name": "page",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};
let browser;
const sites = [];

// A site of its own origin with one empty page.
async function site() {
  const server = createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>page</title>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  sites.push(server);
  return `http://127.0.0.1:${server.address().port}`;
}

// A page of this origin.
async function open(origin) {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  page.setDefaultTimeout(TIMEOUT);
  await page.goto(origin);
  return page;
}

const builders = async ({ origin }) => (await post(origin, "{ builders { totalCount } }")).builders.totalCount;

before(async () => {
  browser = await launchBrowser();
}, { timeout: TIMEOUT });
after(async () => {
  await browser?.close();
  for (const server of sites) server.close();
});

// What a page's fetch is told: status, body and the headers that it may read.
function fetchIn(page, url, init) {
  return page.evaluate(([url, init]) => fetch(url, init).then(async (response) => ({
    status: response.status, body: await response.json(), headers: Object.fromEntries(response.headers),
  }), (error) => ({ error: `${error}` })), [url, init]);
}

for (const [credentials, flags] of [["omit", []], ["include", ["--allow-credentials"]]]) {
  test(`a page of an allowed origin sends headers of any name, credentials: ${credentials}`, async () => {
    const allowed = await site();
    const server = await start(["--anonymous", "write", "--allow-origin", allowed, ...flags]);
    try {
      const page = await open(allowed);
      const { status, body, headers, error } = await fetchIn(page, `${server.origin}/graphql`, {
        method: "POST", headers: HEADERS, credentials, body: JSON.stringify({ query: WRITE }),
      });
      assert.equal(error, undefined);
      assert.equal(status, 200);
      assert.deepEqual(body, { data: { findBuilder: { name: "page" } } });
      assert.equal(typeof headers["x-request-id"], "string");
      assert.equal(await builders(server), 1);
    } finally {
      server.cleanUp();
    }
  });
}

test("a page may not send its cookies without --allow-credentials", async () => {
  const allowed = await site();
  const server = await start(["--anonymous", "write", "--allow-origin", allowed]);
  try {
    const { error } = await fetchIn(await open(allowed), `${server.origin}/graphql`, {
      method: "POST", headers: HEADERS, credentials: "include", body: JSON.stringify({ query: WRITE }),
    });
    assert.match(error, /Failed to fetch/);
    assert.equal(await builders(server), 0);
  } finally {
    server.cleanUp();
  }
});

test("a foreign page's form, image, link, script, beacon, stream and socket can do nothing", async () => {
  const foreign = await site();
  const server = await start(["--anonymous", "write", "--log", "info,buildbot_graphql::access=debug"]);
  const url = `${server.origin}/graphql`;
  try {
    const page = await open(foreign);
    const inUrl = `${url}?query=${encodeURIComponent(WRITE)}`;
    const query = `${url}?query=${encodeURIComponent("{ eventCursor }")}`;
    const stream = `${url}?query=${encodeURIComponent("subscription { stepEvents { kind } }")}`;

    for (const init of [
      { method: "POST", headers: HEADERS, body: JSON.stringify({ query: WRITE }) },
      { method: "POST", body: JSON.stringify({ query: WRITE }) },
      { method: "POST", body: JSON.stringify([{ query: WRITE }]) },
      { method: "GET" },
    ]) {
      assert.match((await fetchIn(page, init.method === "GET" ? query : url, init)).error, /Failed to fetch/);
    }
    const seen = await page.evaluate(async ([url, inUrl, query, stream, text]) => {
      const outcome = (target, good, bad) => new Promise((resolve) => {
        target.addEventListener(good, () => resolve(good));
        target.addEventListener(bad, () => resolve(bad));
      });
      const load = (tag, attributes) => {
        const element = Object.assign(document.createElement(tag), attributes);
        const loaded = outcome(element, "load", "error");
        document.body.append(element);
        return loaded;
      };
      const unread = await fetch(url, { method: "POST", mode: "no-cors", body: text }).then(() => "opaque", () => "error");
      navigator.sendBeacon(url, new Blob([text], { type: "text/plain" }));
      return {
        unread,
        images: [await load("img", { src: inUrl }), await load("img", { src: query })],
        script: await load("script", { src: query }),
        style: await load("link", { rel: "stylesheet", href: query }),
        stream: await outcome(new EventSource(stream), "open", "error"),
        socket: await outcome(new WebSocket(url.replace("http", "ws"), "graphql-transport-ws"), "open", "error"),
      };
    }, [url, inUrl, query, stream, JSON.stringify({ query: WRITE })]);
    assert.deepEqual(seen, {
      unread: "error", images: ["error", "error"], script: "error", style: "error", stream: "error", socket: "error",
    });
    for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]) {
      for (const method of ["POST", "GET"]) {
        await page.goto(foreign);
        await Promise.all([page.waitForNavigation(), page.evaluate(([action, method, enctype, text]) => {
          const form = Object.assign(document.createElement("form"), { action, method, enctype });
          // As text/plain this is a JSON object.
          const field = enctype === "text/plain" && method === "POST"
            ? { name: `{"query":${JSON.stringify(text)},"ignored":"`, value: '"}' } : { name: "query", value: text };
          form.append(Object.assign(document.createElement("input"), { type: "hidden", ...field }));
          document.body.append(form);
          form.submit();
        }, [url, method, enctype, WRITE])]);
        assert(!(await page.content()).includes("findBuilder\":{"), await page.content());
      }
    }
    await page.goto(foreign);
    await Promise.all([page.waitForNavigation(), page.evaluate((href) => {
      const link = Object.assign(document.createElement("a"), { href, textContent: "link" });
      document.body.append(link);
      link.click();
    }, inUrl)]);
    assert.equal(await builders(server), 0);
    // All of it has reached the server. The last is the count above; its line may come after its answer.
    let answers;
    for (const end = Date.now() + TIMEOUT; ; await setTimeout(20)) {
      answers = {};
      for (const line of server.log()) {
        const [, method, status] = /method=(\w+) route="\/graphql" status=(\d+)/.exec(line) ?? [];
        if (method) answers[`${method} ${status}`] = (answers[`${method} ${status}`] ?? 0) + 1;
      }
      if (answers["POST 200"] || Date.now() > end) break;
    }
    assert.deepEqual(answers, { "OPTIONS 204": 1, "POST 415": 7, "GET 400": 9, "GET 403": 2, "POST 200": 1 });
  } finally {
    server.cleanUp();
  }
});

test("/graphql in the browser leads to the page", async () => {
  const server = await start(["--demo"]);
  try {
    const page = await open(`${server.origin}/graphql`);
    assert.equal(page.url(), `${server.origin}/graphiql`);
    assert.equal(await page.title(), "buildbot-graphql");
  } finally {
    server.cleanUp();
  }
});

test("over TLS a page has HTTP/2, and a socket beside it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "browser-test-"));
  const server = await start(["--anonymous", "write", ...await certificateFlags(dir)]);
  try {
    const page = await open(`${server.origin}/graphiql`);
    const seen = await page.evaluate(async (query) => {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query }) });
      await response.text();
      const socket = new WebSocket(`wss://${location.host}/graphql`, "graphql-transport-ws");
      const opened = await new Promise((resolve) => {
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      });
      const protocols = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/graphql"));
      return { status: response.status, opened, protocols: [...new Set(protocols.map((entry) => entry.nextHopProtocol))] };
    }, "{ eventCursor }");
    assert.deepEqual(seen, { status: 200, opened: true, protocols: ["h2"] });
  } finally {
    server.cleanUp();
    rmSync(dir, { recursive: true, force: true });
  }
});
