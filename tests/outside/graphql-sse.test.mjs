// Server-sent events: the client of npm graphql-sse (distinct connections), and npm eventsource, which behaves as a
// browser's EventSource: it knows nothing of GraphQL and resumes by itself with Last-Event-ID.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import { createClient } from "graphql-sse";
import { EVENTS, INVALID, MUTATION, QUERY, newBuild, resumes } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

let server, build;

before(async () => {
  server = await startServer();
  build = await newBuild(server.origin);
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

const client = (origin, options) =>
  createClient({ url: `${origin}/graphql`, retryAttempts: 100, retry: () => sleep(50), ...options });

// All responses to an operation.
async function ask(request) {
  const asked = client(server.origin, { retryAttempts: 0 });
  const answers = [];
  try {
    for await (const answer of asked.iterate(request)) answers.push(answer);
  } finally {
    asked.dispose();
  }
  return answers;
}

test("a query and a mutation: one answer, then complete", async () => {
  const builds = await ask({ query: QUERY, variables: { last: 1 } });
  assert.deepEqual(builds, [{ data: { builds: { nodes: [{ buildid: build.buildid }] } } }]);
  const [said] = await ask({ query: MUTATION, variables: { step: build.stepid, state: "as an event" } });
  assert.equal(said.data.setStepStateString.step.stateString, "as an event");
});

test("a document that is not valid is an answer with errors in the stream", async () => {
  const [{ data, errors }] = await ask({ query: INVALID });
  assert.equal(data, undefined);
  assert.match(errors[0].message, /noSuchField/);
  assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

for (const [means, resume] of [
  // The client evaluates body and headers again for each connection.
  ["the variable", (variables, headers, cursor) => { variables.after = cursor; }],
  ["Last-Event-ID", (variables, headers, cursor) => { headers["Last-Event-ID"] = cursor; }],
]) {
  test(`it resumes with its cursor in ${means} after cuts and after kill -9`, async () => {
    await resumes(({ origin, buildid, after, hear, fail }) => {
      const headers = {};
      const variables = { build: buildid, after };
      const resuming = client(origin, { headers: () => headers });
      let stopped = false;
      (async () => {
        while (!stopped) {
          try {
            for await (const { data, errors } of resuming.iterate({ query: EVENTS, variables })) {
              if (errors) return fail(JSON.stringify(errors));
              resume(variables, headers, data.stepEvents.cursor);
              hear(data.stepEvents);
            }
            if (!stopped) return fail("complete");
          } catch (e) {
            // The client does not treat a cut between two reads as a network error, so it does not retry by itself.
            if (e.message !== "terminated") return fail(`${e.stack}`);
          }
        }
      })();
      return () => {
        stopped = true;
        resuming.dispose();
      };
    });
  });
}

test("an EventSource resumes by itself with Last-Event-ID", async () => {
  // It waits three seconds before it reconnects, unless the server sets another delay.
  await resumes(({ origin, buildid, after, hear, fail }) => {
    const parameters = new URLSearchParams({ query: EVENTS, variables: JSON.stringify({ build: buildid, after }) });
    const source = new EventSource(`${origin}/graphql?${parameters}`);
    source.addEventListener("next", ({ data, lastEventId }) => {
      const answer = JSON.parse(data);
      if (answer.errors) return fail(data);
      if (lastEventId !== answer.data.stepEvents.cursor) return fail(`id ${lastEventId} in front of ${data}`);
      hear(answer.data.stepEvents);
    });
    source.addEventListener("complete", () => fail("complete"));
    source.addEventListener("error", ({ code, message }) => source.readyState === source.CLOSED && fail(`${code} ${message}`));
    return () => source.close();
  }, { cuts: 2, kills: 1 });
});
