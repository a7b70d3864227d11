// Random REST requests over hand-made rows, and the rules by which our answers differ from Buildbot's.
import { createHash } from "node:crypto";

const hash = (name) => createHash("sha1").update(name).digest("hex");

// Rows with and without every value that can be null. The ids are beyond those of the master's own rows.
export const ROWS = [
  ...[
    ["aaa", "'text'", "'markdown'", "'<b>x</b>'"], ["bbb", "NULL", "NULL", "NULL"], ["100%", "'100% _done_'", "NULL", "NULL"],
    ["ccc", "'Text'", "'html'", "NULL"], ["ddd", "''", "''", "''"], ["null", "'null'", "NULL", "NULL"],
  ].map(([name, ...rest], i) =>
    `INSERT INTO builders (id, name, name_hash, description, description_format, description_html, projectid)
     VALUES (${900 + i}, '${name}', '${hash(name)}', ${rest}, ${i % 2 ? "NULL" : 1})`),
  "INSERT INTO tags (id, name, name_hash) VALUES (900, 't1', 't1'), (901, 'ünï', 'ünï')",
  "INSERT INTO builders_tags (builderid, tagid) VALUES (900, 900), (900, 901), (901, 900), (903, 901)",
  "INSERT INTO buildsets (id, submitted_at, complete) VALUES (900, 0, 1)",
  "INSERT INTO buildrequests (id, buildsetid, builderid, priority, complete, submitted_at, waited_for) VALUES (900, 900, 900, 0, 1, 0, 0)",
  ...Array.from({ length: 12 }, (_, i) =>
    `INSERT INTO builds (id, number, builderid, buildrequestid, workerid, masterid, started_at, complete_at, locks_duration_s, state_string, results)
     VALUES (${900 + i}, ${i >> 1}, ${900 + (i % 2)}, 900, ${i % 3 ? 1 : "NULL"}, 1, ${1700000000 + (i % 4)},
       ${i % 3 === 1 ? "NULL" : 1700000000 + i}, ${i % 3}, '${["building", "100% done", "Done_ü", ""][i % 4]}', ${["NULL", 0, 1, 6][(i >> 1) % 4]})`),
  ...Array.from({ length: 16 }, (_, i) =>
    `INSERT INTO steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, urls_json, hidden)
     VALUES (${900 + i}, ${i % 8}, '${["compile", "test", "a-b", "X"][i % 4]}${i % 8}', ${900 + (i >> 3)}, ${i % 3 ? 1700000001 + (i % 2) : "NULL"},
       ${i % 5 ? 1700000002 : "NULL"}, ${i % 4 ? 1700000005 : "NULL"}, '${["pending", "100% done", "", "Done"][i % 4]}',
       ${["NULL", 0, 2, 3][(i >> 1) % 4]}, '${i % 2 ? "[]" : `[{"name": "a", "url": "http://b/"}]`}', ${(i >> 2) % 2})`),
];

const NUMBERS = [
  "0", "1", "2", "3", "900", "901", "1700000002", "1700000005", "-1", "007", "+1", " 2 ", "1_0", "99999999999999999999", "null", "", "x", "1.5", "None",
];
const TEXTS = ["", "null", "text", "aaa", "compile0", "100%", "%", "_", "done", "Done", "building", "pending", "ünï", "t1", "X3", "a b", "markdown"];
const FLAGS = ["true", "false", "1", "0", "on", "no", "TRUE", "null", "", "x"];
const RESOURCES = {
  builders: {
    paths: ["builders", "builders", "builders", "builders/900", "builders/bbb", "builders/99999"],
    fields: {
      builderid: NUMBERS, description: TEXTS, description_format: TEXTS, description_html: TEXTS, masterids: NUMBERS, name: TEXTS,
      projectid: NUMBERS, tags: TEXTS,
    },
    nullable: ["description", "description_format", "description_html", "projectid"],
  },
  builds: {
    paths: ["builds", "builds", "builders/900/builds", "builders/901/builds", "builds/900", "builders/900/builds/1", "builds/99999"],
    fields: {
      builderid: NUMBERS, buildid: NUMBERS, buildrequestid: NUMBERS, complete: FLAGS, complete_at: NUMBERS, locks_duration_s: NUMBERS,
      masterid: NUMBERS, number: NUMBERS, properties: TEXTS, results: NUMBERS, started_at: NUMBERS, state_string: TEXTS, workerid: NUMBERS,
    },
    nullable: ["buildrequestid", "complete_at", "masterid", "results", "workerid"],
  },
  steps: {
    paths: ["builds/900/steps", "builds/901/steps", "builders/900/builds/0/steps", "steps/900", "builds/900/steps/0", "builds/900/steps/test1", "steps/99999"],
    fields: {
      buildid: NUMBERS, complete: FLAGS, complete_at: NUMBERS, hidden: FLAGS, locks_acquired_at: NUMBERS, name: TEXTS, number: NUMBERS,
      results: NUMBERS, started_at: NUMBERS, state_string: TEXTS, stepid: NUMBERS, urls: TEXTS,
    },
    nullable: ["complete_at", "locks_acquired_at", "results", "started_at"],
  },
};
const OPERATORS = ["", "__eq", "__ne", "__lt", "__le", "__gt", "__ge", "__contains", "__in", "__notin"];
const ORDERED = ["__lt", "__le", "__gt", "__ge"];

// Numbers from 0 up to below 1, the same for a seed (mulberry32).
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// So many requests. `filters` are the parameters by field and operator, with their values.
export function* requests(seed, count) {
  const random = generator(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const some = (chance, make) => (random() < chance ? [make()] : []);
  for (let asked = 0; asked < count; asked += 1) {
    const plural = pick(Object.keys(RESOURCES));
    const { paths, fields, nullable } = RESOURCES[plural];
    const names = Object.keys(fields);
    const filters = new Map();
    for (let count = pick([0, 1, 1, 1, 1, 2]); count > 0; count -= 1) {
      const field = pick(names);
      const operator = random() < 0.02 ? "__foo" : pick(OPERATORS);
      filters.set(field + operator, { field, operator, values: Array.from({ length: pick([1, 1, 1, 2, 3]) }, () => pick(fields[field])) });
    }
    const paging = [
      ...some(0.3, () => ["order", pick(["", "-"]) + pick([...names, "nothing", ""])]),
      ...some(0.1, () => ["order", pick(["", "-"]) + pick(names)]),
      ...some(0.15, () => ["limit", pick(["0", "1", "2", "5", "100", "-1", "", "x", " 2", "1.5"])]),
      ...some(0.15, () => ["offset", pick(["0", "1", "2", "5", "100", "-1", "", "x"])]),
      ...(random() < 0.15 ? Array.from({ length: 3 }, () => ["field", pick([...names, "nothing"])]) : []),
    ];
    const given = [...filters].flatMap(([name, { values }]) => values.map((value) => [name, value]));
    const query = [...given, ...paging].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
    const path = pick(paths);
    yield { plural, nullable, filters: [...filters.values()], paging, path: query === "" ? path : `${path}?${query}` };
  }
}

const DATES = ["started_at", "locks_acquired_at", "complete_at"];

// Whether the field cannot be compared so: Buildbot ends with 500 where there are rows.
const isMisplaced = (field, operator) =>
  ["tags", "masterids"].includes(field) ? ORDERED.includes(operator) : ["complete", "hidden"].includes(field) && operator === "__contains";

// Each says for which requests an answer of ours may differ, and how. docs/buildbot.md has them all.
export const DIFFERENCES = {
  "what is 500 in Buildbot is 400 or works": (_, ours, theirs) => theirs.status === 500 && [200, 400, 404].includes(ours.status),
  "an operator that there is not, or not for the field, is 400": ({ filters }, ours) =>
    ours.status === 400 && filters.some(({ field, operator }) => operator === "__foo" || isMisplaced(field, operator)),
  "limit and offset are from 0 on": ({ paging }, ours) =>
    ours.status === 400 && paging.some(([name, value]) => ["limit", "offset"].includes(name) && value === "-1"),
  "of several values of a comparison all must hold": ({ filters }) =>
    filters.some(({ operator, values }) => ORDERED.includes(operator) && values.length > 1),
  "null stands for null": ({ filters, nullable }) =>
    filters.some(({ field, values }) => nullable.includes(field) && values.includes("null")),
  "times of steps compare as integers": ({ plural, filters }, ours) =>
    plural === "steps" && ours.status === 200 && filters.some(({ field }) => DATES.includes(field)),
  "contains is a substring, or one of several": ({ filters }, ours) =>
    ours.status === 200 && filters.some(({ operator }) => operator === "__contains"),
  "total is the number of matches": ({ plural, paging }, ours, theirs) =>
    plural === "builds" && paging.some(([name]) => ["limit", "offset"].includes(name)) && same(ours.body.builds, theirs.body.builds),
  "builds that no order tells apart go by id": ({ plural, paging }, ours, theirs) => {
    if (plural !== "builds" || ours.status !== 200 || theirs.status !== 200) return false;
    const order = paging.filter(([name]) => name === "order").map(([, key]) => key.replace(/^-/, ""));
    const keys = ({ body }) => body.builds.map((build) => order.map((key) => build[key]));
    const rows = ({ body }) => body.builds.map((build) => JSON.stringify(build)).sort();
    const isPage = paging.some(([name]) => ["limit", "offset"].includes(name));
    return same(keys(ours), keys(theirs)) && (isPage || same(rows(ours), rows(theirs)));
  },
  "several values of complete or buildrequestid are alternatives": ({ plural, filters }, ours) =>
    plural === "builds" && ours.status === 200 &&
    filters.some(({ field, values }) => ["complete", "buildrequestid"].includes(field) && values.length > 1),
};

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// With its keys sorted, and its tags: theirs come in the database's order.
const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, it]) => [key, key === "tags" ? it.toSorted() : sorted(it)]));
};

// The rules that explain how the answers differ; `null` where they do not.
export function explain(request, mine, other) {
  const [ours, theirs] = [mine, other].map(({ status, body }) => ({ status, body: sorted(body) }));
  if (ours.status === theirs.status && (ours.status !== 200 || same(ours.body, theirs.body))) return null;
  return Object.keys(DIFFERENCES).filter((name) => DIFFERENCES[name](request, ours, theirs));
}
