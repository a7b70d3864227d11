// Asks a server and graphql-js the same, and groups the answers that differ.
import { readFileSync } from "node:fs";
import { buildClientSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from "graphql";
import { answer, firstEvent } from "./client.mjs";
import { documentCases, subscriptionCases } from "./documents.mjs";
import { validCases } from "./generate.mjs";
import { changedCases } from "./mutate.mjs";
import { startReference } from "./reference.mjs";
import { valueCases } from "./values.mjs";

export const SEED = 1;
export const COUNT = 300;

const ROWS = `mutation {
  a: findBuilder(name: "linux") { id }
  b: findBuilder(name: "mac ü") { id }
  c: addBuild(builderid: 1) { build { id } }
  d: addBuild(builderid: 1) { build { id } }
  e: addBuild(builderid: 2) { build { id } }
  f: newStep(buildid: 1, name: "one") { cursor }
  g: newStep(buildid: 1, name: "two") { cursor }
  h: startStep(stepid: 1, startedAt: 1700000000, locksAcquired: true) { cursor }
  i: finishStep(stepid: 1, results: FAILURE, hidden: true) { cursor }
  j: finishBuild(buildid: 2, results: SUCCESS) { build { id } }
  k: addStepURL(stepid: 1, name: "log", url: "https://example.org/a") { cursor }
}`;

// An empty server, which gets a few rows, or one that has them.
export async function start(url) {
  const read = async (query) => {
    const { data, why } = await answer(url, { query });
    if (why) throw new Error(`${query}: ${why}`);
    return data;
  };
  const { builders } = await read("{ builders { totalCount } }");
  if (builders.totalCount === 0) await read(ROWS);
  return { url, read, ...(await startReference(read)) };
}

// The requests of each suite.
const REQUESTS = {
  "documents by hand": documentCases,
  "values at each place": (reference, seed, count) => valueCases(reference, seed, Math.min(1, count / 4000)),
  "valid documents": validCases,
  "documents with one change": (reference, seed, count) => changedCases(reference, seed, 2 * count),
  subscriptions: subscriptionCases,
};
export const SUITES = Object.keys(REQUESTS);

const deep = (value, change) => {
  if (Array.isArray(value)) return change(value.map((item) => deep(item, change)));
  if (value === null || typeof value !== "object") return change(value);
  return change(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, deep(item, change)])));
};
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const sortKeys = (value) => (isObject(value) ? Object.fromEntries(Object.entries(value).sort()) : value);
const emptyToNull = (value) => (isObject(value) && !Object.keys(value).length ? null : value);
// Introspection may list types in any order.
const byText = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const sortLists = (value) => (Array.isArray(value) ? [...value].sort(byText) : value);

// What is different, and both texts from there on.
function dataDifference(expected, actual, { query }) {
  const always = /__schema|__type\b/.test(query) ? [sortKeys, sortLists] : [];
  const text = (data, changes) => JSON.stringify([...always, ...changes].reduce(deep, data));
  const texts = (...changes) => [text(expected, changes), text(actual, changes)];
  const same = (...changes) => new Set(texts(...changes)).size === 1;
  if (same()) return undefined;
  const [a, b] = texts();
  const at = Math.max(0, [...a].findIndex((character, index) => character !== b[index]) - 80);
  const rest = same(emptyToNull) ? "an empty object is null" : "the data differs";
  return { what: same(sortKeys) ? "the order of fields differs" : rest, texts: [a.slice(at), b.slice(at)] };
}

// A reason without names and values.
function general({ why = "" }) {
  return why.split("\n")[0]
    .replace(/(conflict|invalid value|cannot represent)\b.*/, "$1")
    .replace(/(, (got|found|but)| \(occurred| Did you| --> ).*/, "")
    .replace(/"(\\.|[^"\\])*"|'[^']*'|\$\w+|\b\d[\d.]*\b/g, "_").slice(0, 110);
}

// What is different in the answers to a request, "limit", or undefined.
async function difference({ url, decide, inline }, request) {
  const expected = await decide(request);
  const isStream = request.query.startsWith("subscription");
  const actual = await (isStream ? firstEvent : answer)(url, request);
  if (actual.kind === "limit") return "limit";
  const found = (what) => {
    // An error of one of the server's fields says nothing about the document.
    const reason = actual.data === undefined ? general(actual) : "";
    const shape = `${what} | graphql-js: ${general(expected)} | server: ${reason}`;
    return { shape, request, answers: [["graphql-js", expected], ["server", actual]] };
  };
  const isDomain = expected.kind === "ok" && actual.kind === "field error" && actual.domain;
  if (actual.kind !== expected.kind && !isDomain) return found(`${expected.kind} / ${actual.kind}`);
  if (expected.kind === "refused" || expected.kind === "silent") return undefined;
  const isComparable = expected.comparable && expected.errors === actual.errors;
  const data = isComparable && dataDifference(expected.data, actual.data, request);
  if (data) {
    [expected.data, actual.data] = data.texts;
    return found(`${expected.kind}, but ${data.what}`);
  }

  const query = expected.kind === "ok" && !isStream && inline(request);
  if (!query) return undefined;
  const twin = await answer(url, { query });
  if (twin.kind === "limit" || JSON.stringify(twin) === JSON.stringify(actual)) return undefined;
  const shape = `literals and variables are not the same: ${twin.kind} / ${actual.kind}`;
  return { shape, request, answers: [["literals", { ...twin, why: query.replace(/\s+/g, " ") }], ["server", actual]] };
}

// Differences on purpose, each with a reason: a regular expression over a difference's shape, document and variables.
const allowed = JSON.parse(readFileSync(new URL("differences.json", import.meta.url), "utf8"));
const isAllowed = ({ pattern }, { shape, request: { query, variables = "" } }) =>
  new RegExp(pattern).test(`${shape}\n${query}\n${variables}`);

// The differences that are not allowed by shape: how often each was found, and where in the shortest document.
export async function compare(reference, suite, seed, count) {
  const total = { requests: 0, limited: 0, shapes: new Map(), used: [] };
  const queue = REQUESTS[suite](reference, seed, count)[Symbol.iterator]();
  async function work() {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const it = await difference(reference, next.value);
      total.requests += 1;
      if (it === "limit") total.limited += 1;
      if (!it?.shape) continue;
      const reasons = allowed.filter((entry) => isAllowed(entry, it));
      total.used.push(...reasons);
      if (reasons.length) continue;
      const { count: n, example } = total.shapes.get(it.shape) ?? { count: 0, example: it };
      const isShorter = it.request.query.length < example.request.query.length;
      total.shapes.set(it.shape, { count: n + 1, example: isShorter ? it : example });
    }
  }
  await Promise.all([work(), work(), work(), work()]);
  return total;
}

// Entries that allow nothing any more.
export const unused = (used) => allowed.filter((entry) => !used.includes(entry));

export function report(shapes) {
  const line = (name, text) => text && `  ${name.padEnd(11)}${text}`;
  const json = (data = "") => (typeof data === "string" ? data : JSON.stringify(data)).slice(0, 300);
  const block = ([shape, { count, example: { request, answers } }]) => [
    `${count} x ${shape}`,
    line("document", request.query.replace(/\n\s*/g, " ")),
    line("variables", request.variables),
    line("operation", request.operationName),
    ...answers.map(([name, { kind, why = "", data }]) => line(name, `${kind} ${why} ${json(data)}`)),
  ].filter(Boolean).join("\n");
  return [...shapes].sort((a, b) => b[1].count - a[1].count).map(block).join("\n\n");
}

const INTROSPECTION = {
  descriptions: true, directiveIsRepeatable: true, inputValueDeprecation: true, oneOf: true, schemaDescription: true,
  specifiedByUrl: true,
};

// The schema that introspection tells, and the one in the file.
export async function schemas({ read, schema }) {
  const print = (it) => printSchema(lexicographicSortSchema(it));
  return [print(buildClientSchema(await read(getIntrospectionQuery(INTROSPECTION)))), print(schema)];
}
