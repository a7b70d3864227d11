// A gateway by graphql-tools: it delegates lookups of many objects as one operation with as many aliases.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { batchDelegateToSchema } from "@graphql-tools/batch-delegate";
import { delegateToSchema } from "@graphql-tools/delegate";
import { buildHTTPExecutor } from "@graphql-tools/executor-http";
import { stitchSchemas } from "@graphql-tools/stitch";
import { schemaFromExecutor } from "@graphql-tools/wrap";
import { buildSchema, execute, graphql, parse } from "graphql";
import { newBuild } from "./resume.mjs";
import { TIMEOUT, startServer } from "./server.mjs";

const COUNT = 40;
let server, builds;

before(async () => {
  server = await startServer();
  builds = [];
  for (let n = 0; n < COUNT; n += 1) builds.push(await newBuild(server.origin));
}, { timeout: 2 * TIMEOUT });
after(() => server?.cleanUp());

// An executor for our server that notes its requests.
function executor(options) {
  const requests = [];
  const noted = (url, init) => {
    requests.push(JSON.parse(init.body));
    return fetch(url, init);
  };
  return { requests, run: buildHTTPExecutor({ endpoint: `${server.origin}/graphql`, fetch: noted, method: "POST", ...options }) };
}

// The schema of another service, whose pins name our steps or builds.
function pins(key) {
  const schema = buildSchema(`type Query { pins: [Pin!]! } type Pin { ${key}: Int! }`);
  const rows = builds.map((build) => ({ [key]: build[key] }));
  return { schema, executor: ({ document }) => execute({ schema, document, rootValue: { pins: rows } }) };
}

test("batched execution asks for 40 steps by aliases of one operation", async () => {
  const { requests, run } = executor();
  const ours = { schema: await schemaFromExecutor(run), executor: run, batch: true };
  const schema = stitchSchemas({
    subschemas: [ours, pins("stepid")],
    typeDefs: "extend type Pin { step: Step }",
    resolvers: {
      Pin: {
        step: {
          selectionSet: "{ stepid }",
          resolve: ({ stepid }, args, context, info) => delegateToSchema({
            schema: ours, operation: "query", fieldName: "step", args: { stepid }, context, info,
          }),
        },
      },
    },
  });
  requests.length = 0;
  const { data, errors } = await graphql({ schema, source: "{ pins { step { stepid name } } }" });
  assert.equal(errors?.[0], undefined);
  assert.deepEqual(data.pins.map(({ step }) => step.stepid), builds.map(({ stepid }) => stepid));
  assert.equal(requests.length, 1);
  const [{ selectionSet }] = parse(requests[0].query).definitions;
  assert.equal(selectionSet.selections.filter(({ alias }) => alias).length, COUNT);
});

test("batchDelegateToSchema asks for 40 builds by one list of ids", async () => {
  const { requests, run } = executor();
  const ours = { schema: await schemaFromExecutor(run), executor: run };
  const schema = stitchSchemas({
    subschemas: [ours, pins("buildid")],
    typeDefs: "extend type Pin { build: Build }",
    resolvers: {
      Pin: {
        build: {
          selectionSet: "{ buildid }",
          resolve: ({ buildid }, args, context, info) => batchDelegateToSchema({
            schema: ours,
            operation: "query",
            fieldName: "builds",
            key: buildid,
            argsFromKeys: (keys) => ({ first: keys.length, where: { buildid: { in: keys } } }),
            returnType: ours.schema.getType("BuildConnection"),
            selectionSet: parse("{ nodes { buildid number } }").definitions[0].selectionSet,
            valuesFromResults: (page, keys) => keys.map((key) => page.nodes.find((build) => build.buildid === key)),
            context,
            info,
          }),
        },
      },
    },
  });
  requests.length = 0;
  const { data, errors } = await graphql({ schema, source: "{ pins { build { buildid number } } }" });
  assert.equal(errors?.[0], undefined);
  assert.deepEqual(data.pins.map(({ build }) => build.buildid), builds.map(({ buildid }) => buildid));
  assert.equal(requests.length, 1);
});

test("a merged type: its fields come from two services, by one batch of aliases", async () => {
  const { requests, run } = executor();
  const notes = buildSchema(`type Query { stepNotes(ids: [Int!]!): [Step!]! pinned: [Step!]! } type Step { stepid: Int! note: String! }`);
  const note = ({ stepid }) => ({ stepid, note: `note of ${stepid}` });
  const rootValue = { pinned: builds.map(note), stepNotes: ({ ids }) => ids.map((stepid) => note({ stepid })) };
  const schema = stitchSchemas({
    subschemas: [{
      schema: await schemaFromExecutor(run),
      executor: run,
      batch: true,
      merge: { Step: { fieldName: "step", selectionSet: "{ stepid }", args: ({ stepid }) => ({ stepid }) } },
    }, {
      schema: notes,
      executor: ({ document, variables }) => execute({ schema: notes, document, variableValues: variables, rootValue }),
      merge: { Step: { fieldName: "stepNotes", selectionSet: "{ stepid }", key: ({ stepid }) => stepid, argsFromKeys: (ids) => ({ ids }) } },
    }],
  });
  requests.length = 0;
  const { data, errors } = await graphql({ schema, source: "{ pinned { note name build { buildid } } }" });
  assert.equal(errors?.[0], undefined);
  assert.deepEqual(data.pinned.map(({ build }) => build.buildid), builds.map(({ buildid }) => buildid));
  assert(data.pinned.every(({ name, note }) => name === "a" && note.startsWith("note of ")));
  assert.equal(requests.length, 1);
});
