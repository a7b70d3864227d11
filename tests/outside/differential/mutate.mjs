// Valid documents with one change, at random from a seed: most are refused.
import { Lexer, Source, parse, parseType, parseValue, print, visit } from "graphql";
import { draft, random } from "./generate.mjs";

const LITERALS = ["null", "true", "1.5", '"x"', "[]", "[[999999]]", "{}", "{ eq: null }", "NONE", "$v9", "9999999999"];
const VALUES = LITERALS.map((it) => parseValue(it));
const TYPES = ["Int", "Int!", "[Int!]", "String", "ID!", "Boolean", "Results", "BuildFilter", "DateTime", "Build"];
const CONDITIONS = ["Query", "Build", "Step", "Node", "Int", "Results", "BuildFilter", "None"];

const named = (name) => ({ kind: "Name", value: name });
const spread = (name) => ({ kind: "FragmentSpread", name: named(name) });
const field = (name) => ({ kind: "Field", name: named(name) });
const selectionSet = { kind: "SelectionSet", selections: [field("id")] };
const directive = (name, argument, value) => ({
  kind: "Directive", name: named(name), arguments: argument ? [{ kind: "Argument", name: named(argument), value }] : [],
});
const copied = ({ selections }, rng) => ({ ...rng.pick(selections), arguments: [] });
const again = (list, rng) => list.length && list.push(structuredClone(rng.pick(list)));
const drop = (list, rng) => list.splice(rng.below(list.length), 1);

// What may happen to a node of a kind.
const CHANGES = [
  ["Argument", (it, rng) => { it.value = rng.pick(VALUES); }],
  ["ObjectField", (it, rng) => { it.value = rng.pick(VALUES); }],
  ["ListValue", (it, rng) => { it.values.push(rng.pick(VALUES)); }],
  ["EnumValue", (it) => { it.value = "NONE"; }],
  ["Argument", (it) => { it.name = named("none"); }],
  ["ObjectField", (it) => { it.name = named("none"); }],
  ["Field", (it, rng) => again(it.arguments, rng)],
  ["ObjectValue", (it, rng) => again(it.fields, rng)],
  ["Field", (it, rng) => drop(it.arguments, rng)],
  ["ObjectValue", (it, rng) => drop(it.fields, rng)],
  ["Field", (it, rng) => { it.name = named(rng.pick(["none", "id", "name", "number", "steps", "__schema"])); }],
  ["Field", (it, rng) => { it.alias = named(rng.pick(["none", "id", "name", "x"])); }],
  ["SelectionSet", (it, rng) => it.selections.push(copied(it, rng))],
  ["SelectionSet", (it, rng) => it.selections.push({ ...copied(it, rng), alias: named("x") })],
  ["SelectionSet", (it, rng) => it.selections.push({ ...field(rng.pick(["id", "name"])), alias: named("id") })],
  ["SelectionSet", (it, rng) => it.selections.push(spread(rng.pick(["F0", "none"])))],
  ["Field", (it) => { it.selectionSet = it.selectionSet ? undefined : selectionSet; }],
  ["Field", (it, rng) => it.directives.push(directive(rng.pick(["none", "skip", "deprecated", "specifiedBy"])))],
  ["Field", (it) => it.directives.push(directive("skip", "unless", VALUES[1]))],
  ["Field", (it, rng) => it.directives.push(...Array(2).fill(directive("include", "if", rng.pick(VALUES))))],
  ["OperationDefinition", (it) => it.directives.push(directive("include", "if", VALUES[1]))],
  ["FragmentDefinition", (it) => it.directives.push(directive("skip", "if", VALUES[1]))],
  ["OperationDefinition", (it, rng) => drop(it.variableDefinitions, rng)],
  ["OperationDefinition", (it, rng) => again(it.variableDefinitions, rng)],
  ["VariableDefinition", (it, rng) => { it.type = parseType(rng.pick(TYPES)); }],
  ["VariableDefinition", (it) => { it.type = it.type.type ?? { kind: "NonNullType", type: it.type }; }],
  ["VariableDefinition", (it) => { it.type = { kind: "ListType", type: it.type }; }],
  ["VariableDefinition", (it, rng) => { it.defaultValue = rng.pick(VALUES); }],
  ["VariableDefinition", (it) => { it.variable = { kind: "Variable", name: named("none") }; }],
  ["Argument", (it) => { it.value = { kind: "Variable", name: named("v0") }; }],
  ["OperationDefinition", (it) => { it.operation = it.operation === "query" ? "mutation" : "query"; }],
  ["Document", (it, rng) => again(it.definitions, rng)],
  ["Document", (it, rng) => drop(it.definitions, rng)],
  ["Document", (it) => { it.definitions.push(parse("fragment Unused on Build { number }").definitions[0]); }],
  ["FragmentDefinition", (it) => { it.selectionSet.selections.push(spread(it.name.value)); }],
  ["FragmentDefinition", (it, rng) => { it.typeCondition = parseType(rng.pick(CONDITIONS)); }],
  ["InlineFragment", (it, rng) => { it.typeCondition = parseType(rng.pick(CONDITIONS)); }],
];

function changed(document, rng) {
  const nodes = {};
  visit(document, { enter(node) { (nodes[node.kind] ??= []).push(node); } });
  const [kind, change] = rng.pick(CHANGES.filter((it) => it[0] in nodes));
  change(rng.pick(nodes[kind]), rng);
  return print(document);
}

function tokens(text) {
  const lexer = new Lexer(new Source(text));
  const found = [];
  while (lexer.advance().kind !== "<EOF>") found.push(text.slice(lexer.token.start, lexer.token.end));
  return found;
}

function changedTokens(text, rng) {
  const all = tokens(text);
  const at = rng.below(all.length);
  all.splice(at, rng.below(2), ...(rng.chance(0.7) ? [rng.pick(all)] : []));
  return all.join(" ").replace(/([$@]) /g, "$1");
}

const JSON_VALUES = [null, true, 999999, 1.5, "x", "", [], [null], {}, { none: 1 }, { eq: null }, 99999999999];

export function* changedCases({ schema, ids }, seed, count) {
  const rng = random(seed);
  for (let n = 0; n < count; n += 1) {
    const { query, variables } = draft(schema, ids, rng);
    const values = JSON.parse(variables);
    const what = rng.below(10);
    if (what === 0 && Object.keys(values).length) {
      values[rng.pick(Object.keys(values))] = rng.pick(JSON_VALUES);
      yield { query, variables: JSON.stringify(values) };
    } else if (what <= 2) yield { query: changedTokens(query, rng), variables };
    else yield { query: changed(parse(query, { noLocation: true }), rng), variables };
  }
}
