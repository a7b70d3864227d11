// Documents that follow the schema, at random from a seed. Some are not valid, since their aliases are in conflict.
import {
  getNamedType, getNullableType, isAbstractType, isEnumType, isInputObjectType, isLeafType, isListType, isNonNullType,
  isRequiredInputField, isUnionType, parseConstValue, valueFromASTUntyped,
} from "graphql";

// A mutation that would change rows even though every number in it names no row.
export const CHANGING = "findBuilder";

// Literals of each scalar. Those of a mutation name rows that do not exist: it must change nothing.
export const samples = (ids, mutation = false) => ({
  Int: mutation ? ["999999"] : ["1", "0", "2", "99"],
  Float: ["1.5"],
  String: ['"linux"', '"one"', '""', '"""a\n  block"""', '"\\u00fc"'],
  Boolean: ["true", "false"],
  ID: ids.map((id) => `"${id}"`),
  DateTime: ['"2026-11-22T06:16:00Z"', "0", '"2026-11-22T06:16:00.5+01:00"'],
  NameOrNumber: mutation ? ['"one"'] : ["1", '"1"', '"one"'],
  EventCursor: ['"194d6f5600000000000002bb"'],
  _Any: [
    `{ __typename: "Build", buildid: 1 }`, `{ __typename: "Step", stepid: 99, x: [null] }`, `{ __typename: "Build" }`, "{}", "1",
    ...ids.map((id) => `{ __typename: "${atob(id).split(":")[0]}", id: "${id}" }`),
  ],
});

// mulberry32
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, chance: (p) => next() < p, pick: (list) => list[below(list.length)] };
}

class Draft {
  constructor(schema, ids, rng) {
    Object.assign(this, { schema, ids, rng, definitions: [], variables: {}, fragments: [], size: 0, constant: false });
  }

  request(operation) {
    this.samples = samples(this.ids, operation === "mutation");
    const root = this.items(operation === "mutation" ? this.schema.getMutationType() : this.schema.getQueryType(), 0);
    const head = this.definitions.length ? `${operation} Q(${this.definitions.join(", ")})` : operation;
    const fragments = this.fragments.map(({ name, type, items }) => ` fragment ${name} on ${type} { ${items} }`);
    return { query: `${head} { ${root} }${fragments.join("")}`, variables: JSON.stringify(this.variables) };
  }

  items(type, depth) {
    return Array.from({ length: 1 + this.rng.below(4) }, () => this.item(type, depth)).join(" ");
  }

  item(type, depth) {
    this.size += 1;
    if (this.rng.chance(0.1)) return `__typename${this.directive()}`;
    if (this.rng.chance(0.25) && this.size < 30) return this.fragment(type, depth);
    // A union has no fields of its own.
    if (isUnionType(type)) return this.fragment(type, depth);
    let fields = Object.values(type.getFields()).filter(({ name }) => name !== CHANGING);
    const leaves = fields.filter((field) => isLeafType(getNamedType(field.type)));
    if ((depth > 5 || this.size > 25) && leaves.length) fields = leaves;
    const field = this.rng.pick(fields);
    const args = this.entries(field.args, 0);
    let alias = "";
    if (args && this.rng.chance(0.9)) alias = `a${this.size}: `;
    else if (this.rng.chance(0.1)) alias = `${this.rng.pick(["name", "id", "x"])}: `;
    const inner = getNamedType(field.type);
    const selection = isLeafType(inner) ? "" : ` { ${this.items(inner, depth + 1)} }`;
    return `${alias}${field.name}${args && `(${args})`}${this.directive()}${selection}`;
  }

  fragment(type, depth) {
    const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : type.getInterfaces();
    const on = this.rng.pick(isUnionType(type) ? possible : [type, ...possible]);
    if (this.rng.chance(0.5)) {
      const condition = on === type && this.rng.chance(0.5) ? "" : ` on ${on}`;
      return `...${condition}${this.directive()} { ${this.items(on, depth + 1)} }`;
    }
    let fragment = this.rng.pick(this.fragments.filter((known) => known.type === on && known.items));
    if (!fragment || this.rng.chance(0.4)) {
      fragment = { name: `F${this.fragments.length}`, type: on };
      this.fragments.push(fragment);
      fragment.items = this.items(on, depth + 1);
    }
    return `...${fragment.name}${this.directive()}`;
  }

  directive() {
    if (!this.rng.chance(0.15)) return "";
    const { name, args: [{ type }] } = this.schema.getDirective(this.rng.pick(["skip", "include"]));
    return ` @${name}(if: ${this.value(type, false, 0)})`;
  }

  // Arguments, or the fields of an input object. Required or not is the same question for both.
  entries(all, depth) {
    const given = all.filter((it) => isRequiredInputField(it) || (depth < 4 && this.rng.chance(depth ? 0.3 : 0.4)));
    const value = ({ type, defaultValue }) => this.value(type, defaultValue !== undefined, depth);
    return given.map((it) => `${it.name}: ${value(it)}`).join(", ");
  }

  value(type, hasDefault, depth) {
    if (!this.constant && this.rng.chance(0.35)) return this.variable(type, hasDefault);
    if (!isNonNullType(type) && this.rng.chance(0.1)) return "null";
    return this.literal(getNullableType(type), depth);
  }

  literal(type, depth) {
    if (isListType(type)) {
      const item = () => this.value(type.ofType, false, depth + 1);
      return this.rng.chance(0.2) ? item() : `[${Array.from({ length: this.rng.below(3) }, item).join(", ")}]`;
    }
    if (isEnumType(type)) return this.rng.pick(type.getValues()).name;
    if (!isInputObjectType(type)) return this.rng.pick(this.samples[type]);
    return `{ ${this.entries(Object.values(type.getFields()), depth + 1)} }`;
  }

  variable(type, hasDefault) {
    const name = `v${this.definitions.length}`;
    this.constant = true;
    const bare = getNullableType(type);
    let required = isNonNullType(type) && !hasDefault;
    let fallback = "";
    if (this.rng.chance(0.35)) {
      fallback = ` = ${this.literal(bare, 0)}`;
      required = false;
    } else if (this.rng.chance(0.3)) required = true;
    this.definitions.push(`$${name}: ${bare}${required ? "!" : ""}${fallback}`);
    const json = () => valueFromASTUntyped(parseConstValue(this.literal(bare, 0)));
    if (required || this.rng.chance(0.5)) this.variables[name] = json();
    else if (this.rng.chance(0.25)) this.variables[name] = null;
    this.constant = false;
    return `$${name}`;
  }
}

export function draft(schema, ids, rng) {
  return new Draft(schema, ids, rng).request(rng.chance(0.15) ? "mutation" : "query");
}

export function* validCases({ schema, ids }, seed, count) {
  const rng = random(seed);
  for (let n = 0; n < count; n += 1) yield draft(schema, ids, rng);
}
