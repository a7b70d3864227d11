// GraphQL Code Generator: types made from the running server's introspection and from schema.graphql; tsc compiles both
// together with a program that uses them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { generate } from "@graphql-codegen/cli";
import { TIMEOUT, startServer } from "./server.mjs";

const DOCUMENTS = `
query Steps($id: ID!, $build: Int!) {
  build(buildid: $build) { number results startedAt steps(where: { results: { in: [FAILURE] } }) { ...StepParts } }
  steps(first: 3, orderBy: [{ field: STARTED_AT, direction: DESC }]) { edges { cursor node { ...StepParts } } totalCount }
  node(id: $id) { __typename id ... on Step { name } }
}
fragment StepParts on Step { stepid name urls { name url } completeAt }
mutation Finish($step: Int!) { finishStep(stepid: $step, results: SUCCESS) { cursor step { ...StepParts } } }
subscription Events($after: EventCursor) { stepEvents(after: $after) { cursor kind step { ...StepParts } } }
`;

const PROGRAM = `
import type { EventsSubscription, FinishMutation, StepsQuery, StepsQueryVariables } from "./NAME-operations";
import { Results, type QueryStepsArgs } from "./NAME-schema";
export const failed: QueryStepsArgs = { where: { results: { eq: Results.Failure } } };
export const variables: StepsQueryVariables = { id: "x", build: 1 };
export const names = (data: StepsQuery): string[] => data.steps.edges.map(({ node }) => node.name);
export const cursor = (data: FinishMutation): string | undefined => data.finishStep?.cursor;
export const kind = (data: EventsSubscription): string => data.stepEvents.kind;
export const wrong = (data: StepsQuery) => {
  // @ts-expect-error There is no such field.
  return data.steps.noSuchField;
};
`;

let dir, server;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "codegen-test-"));
  server = await startServer();
}, { timeout: 2 * TIMEOUT });
after(() => {
  server?.cleanUp();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

test("it generates the same types from introspection and from schema.graphql, and tsc compiles them", async () => {
  const documents = join(dir, "documents.graphql");
  writeFileSync(documents, DOCUMENTS);
  const sources = { introspected: `${server.origin}/graphql`, printed: new URL("../../schema.graphql", import.meta.url).pathname };
  for (const [name, schema] of Object.entries(sources)) {
    const scalars = { _Any: "unknown", DateTime: "string", EventCursor: "string", NameOrNumber: "string | number" };
    const config = { scalars, strictScalars: true, disableDescriptions: true };
    const output = (plugin) => ({ schema, documents, plugins: [plugin], config });
    const generates = {
      [join(dir, `${name}-schema.ts`)]: output("typescript"),
      [join(dir, `${name}-operations.ts`)]: output("typescript-operations"),
    };
    await generate({ generates, silent: true, cwd: dir, pluginLoader: (plugin) => import(plugin) }, true);
    writeFileSync(join(dir, `use-${name}.ts`), PROGRAM.replaceAll("NAME", name));
  }
  for (const what of ["schema", "operations"]) {
    const [introspected, printed] = Object.keys(sources).map((name) => readFileSync(join(dir, `${name}-${what}.ts`), "utf8"));
    assert.equal(introspected, printed);
  }
  const options = { strict: true, noEmit: true, module: "esnext", moduleResolution: "bundler", types: [] };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  const tsc = new URL("node_modules/.bin/tsc", import.meta.url).pathname;
  const compiled = promisify(execFile)(tsc, ["-p", dir], { timeout: 2 * TIMEOUT });
  assert.equal((await compiled.catch((error) => error)).stdout, "");
});
