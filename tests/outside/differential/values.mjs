// Each kind of value at each kind of place: as a literal, as a variable and as a variable's default.
import {
  coerceInputValue, getNamedType, getNullableType, isInputObjectType, isLeafType, isRequiredInputField, isUnionType, parseValue,
  valueFromAST,
} from "graphql";
import { CHANGING, random, samples } from "./generate.mjs";

const LITERALS = String.raw`
  0  -0  1  -1  01  1.0  1.5  1e3  1E400  2147483647  2147483648  -2147483648  -2147483649  9007199254740993
  18446744073709551616  "1"  ""  "linux"  "none  'none'  """linux"""  """a \""" b"""  "\u0031"  "\u{1F600}"
  "\u{110000}"  "\u{D800}"  "\uD83D\uDE00"  "\uD83D"  "\u00"  "\q"  "\/\b\f\n\r\t\"\\"  true  false  True  null
  NULL  SUCCESS  "SUCCESS"  success  BUILDID  ASC  []  [1]  [1, null]  [null]  [[1]]  ["linux"]  [SUCCESS, FAILURE]
  ["SUCCESS"]  {}  { eq: 1 }  { eq: null }  { eq: "linux" }  { eq: 1, eq: 1 }  { eq: SUCCESS }  { none: 1 }
  { in: 1 }  { in: [] }  { in: null }  { contains: "x" }  { name: { eq: "linux" } }  [{ name: { eq: "linux" } }]
  { and: {} }  { and: [null] }  { not: null }  { or: [{}, {}] }  { field: BUILDID }  [{ field: BUILDID }]
  { field: BUILDID, direction: null }  { direction: ASC }  { field: "BUILDID" }  "2026-11-22T06:16:00Z"
  "2026-11-22T06:16:00.5+01:00"  "2026-11-22"  "2026-02-30T00:00:00Z"  $none  $
`.trim().split(/\s\s+/).concat('"a\nb"', '"""a\n  b"""', '"\u0007"', '"\u007f"', "");
const JSON_VALUES = String.raw`
  0  -0  1  -1  1.0  1.5  1e3  2147483647  2147483648  -2147483649  9007199254740991  "1"  ""  "linux"
  "\ud83d\ude00"  "\u0000"  true  "true"  null  "SUCCESS"  "success"  "BUILDID"  "ASC"  []  [1]  [1, null]  [null]
  [[1]]  ["linux"]  ["SUCCESS", "FAILURE"]  {}  {"eq": 1}  {"eq": null}  {"eq": "linux"}  {"eq": "SUCCESS"}
  {"none": 1}  {"none": null}  {"in": 1}  {"in": []}  {"in": null}  {"in": [null]}  {"contains": "x"}
  {"name": {"eq": "linux"}}  {"name": null}  {"and": {}}  {"and": [null]}  {"not": null}  {"field": "BUILDID"}
  [{"field": "BUILDID"}]  {"field": "BUILDID", "direction": null}  {"direction": "ASC"}  "2026-11-22T06:16:00Z"
  "2026-11-22"
`.trim().split(/\s\s+/);

// A place for each type of an argument or of an input object's field: its type, and the document around a value.
function places({ schema, ids }) {
  const found = new Map();
  // The required entries and one other, with its value.
  const entries = (all, literals, one, value) => {
    const sample = (type) => literals[type]?.[0] ?? type.getValues()[0].name;
    const given = all.filter((it) => it === one || isRequiredInputField(it));
    return given.map((it) => `${it.name}: ${it === one ? value : sample(getNamedType(it.type))}`).join(", ");
  };
  const add = ({ type, defaultValue }, literals, around) => {
    const key = `${type} ${defaultValue === undefined}`;
    if (found.has(key)) return;
    found.set(key, { type, around });
    if (!isInputObjectType(getNamedType(type))) return;
    const fields = Object.values(getNamedType(type).getFields());
    for (const it of fields) add(it, literals, (value) => around(`{ ${entries(fields, literals, it, value)} }`));
  };
  const seen = new Set();
  const walk = (type, literals, around) => {
    if (seen.has(type) || isLeafType(type) || isUnionType(type)) return;
    seen.add(type);
    const fields = Object.values(type.getFields()).filter(({ name }) => name !== CHANGING);
    const call = (field, one, value) => {
      const args = entries(field.args, literals, one, value);
      return `${field.name}${args && `(${args})`}`;
    };
    for (const field of fields) {
      const selection = isLeafType(getNamedType(field.type)) ? "" : " { __typename }";
      for (const it of field.args) add(it, literals, (value) => around(call(field, it, value) + selection));
    }
    for (const field of fields) {
      walk(getNamedType(field.type), literals, (selection) => around(`${call(field)} { ${selection} }`));
    }
  };
  const [condition] = schema.getDirective("skip").args;
  add(condition, {}, (value) => ["query", `{ a: __typename b: __typename @skip(if: ${value}) }`]);
  walk(schema.getQueryType(), samples(ids), (selection) => ["query", `{ ${selection} }`]);
  walk(schema.getMutationType(), samples(ids, true), (selection) => ["mutation", `{ ${selection} }`]);
  return [...found.values()];
}

function passes(check) {
  try {
    return check() !== undefined;
  } catch {
    return false;
  }
}

// All values that fit the type of a place, and a share of those that do not.
export function* valueCases(reference, seed, share) {
  const rng = random(seed);
  for (const { type, around } of places(reference)) {
    const write = (definition, value) => around(value).join(definition ? ` Q($v: ${definition}) ` : " ");
    const isAsked = (check) => passes(check) || rng.chance(share);
    const bare = getNullableType(type);
    const literals = () => LITERALS.filter((literal) => isAsked(() => valueFromAST(parseValue(literal), type)));
    for (const literal of literals()) yield { query: write(undefined, literal) };
    for (const literal of literals()) yield { query: write(`${bare} = ${literal}`, "$v") };
    for (const declared of [`${bare}`, `${bare}!`]) {
      const query = write(declared, "$v");
      yield* [{ query }, { query, variables: "null" }, { query, variables: "{}" }];
      const values = JSON_VALUES.filter((value) => isAsked(() => coerceInputValue(JSON.parse(value), type)));
      for (const value of values) yield { query, variables: `{ "v": ${value} }` };
    }
  }
}
