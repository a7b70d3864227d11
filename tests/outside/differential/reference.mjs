// graphql-js over the repository's schema.graphql and the rows of a server: how a request should be answered. Lists
// that are filtered, ordered or paged are answered whole, so their data says nothing.
import { readFileSync } from "node:fs";
import {
  GraphQLError, TypeInfo, astFromValue, buildSchema, execute, getNamedType, getOperationAST, isLeafType, parse,
  parseConstValue, print, subscribe, validate, valueFromASTUntyped, visit, visitWithTypeInfo,
} from "graphql";
import { getVariableValues } from "graphql/execution/values.js";

const SDL = new URL("../../../schema.graphql", import.meta.url);
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const isInt = (value) => Number.isInteger(value) && Math.abs(value + 0.5) < 2 ** 31;
function isTime(text) {
  const day = new Date(text.slice(0, 10));
  // Date takes the 30th of February for the 2nd of March.
  return !Number.isNaN(Date.parse(text)) && day.toISOString().startsWith(text.slice(0, 10));
}

// What each scalar of the schema accepts, as its description says.
const SCALARS = {
  DateTime(value) {
    if (typeof value === "string") return RFC_3339.test(value) && isTime(value);
    return Number.isInteger(value) && Math.abs(value) < 2 ** 63;
  },
  EventCursor: (value) => typeof value === "string",
  // Each is judged where it is looked up.
  _Any: () => true,
  NameOrNumber(value) {
    if (typeof value === "string" && !/^\d+$/.test(value)) return true;
    return (typeof value === "string" || typeof value === "number") && isInt(Number(value));
  },
};

function readSchema() {
  const schema = buildSchema(readFileSync(SDL, "utf8"));
  for (const [name, accepts] of Object.entries(SCALARS)) {
    const parseValue = (value) => {
      if (accepts(value)) return value;
      throw new GraphQLError(`no ${name}`);
    };
    // A Float literal is no Int and a name no String, though JavaScript has one type for both.
    const isOther = (node) => node.kind === "FloatValue" || node.kind === "EnumValue";
    const parseLiteral = (node, variables) => {
      if (name === "_Any") return valueFromASTUntyped(node, variables);
      return parseValue(isOther(node) ? undefined : valueFromASTUntyped(node));
    };
    Object.assign(schema.getType(name), { parseValue, parseLiteral, serialize: (value) => value });
  }
  return schema;
}

// A value of a scalar that takes any, as text.
function untyped(value) {
  if (Array.isArray(value)) return `[${value.map(untyped).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, inner]) => `${key}: ${untyped(inner)}`).join(", ")} }`;
}

// graphql-js writes no objects of a scalar, and knows no type inside of one.
const toLiteral = (value, type) =>
  ([undefined, "_Any"].includes(getNamedType(type)?.name) ? parseConstValue(untyped(value)) : astFromValue(value, type));

// The rows of a server as the reference's root value. `ask` resolves to the data of a query.
async function readRows(schema, ask) {
  const rows = {};
  const leavesOf = (type) => {
    const fields = Object.values(schema.getType(type).getFields());
    return fields.filter((it) => isLeafType(getNamedType(it.type))).map(({ name }) => name).join(" ");
  };
  for (const [list, type] of [["builders", "Builder"], ["builds", "Build"], ["steps", "Step"]]) {
    const leaves = leavesOf(type);
    const urls = type === "Step" ? "urls { name url }" : "";
    const data = await ask(`{ ${list} { edges { cursor node { __typename ${leaves} ${urls} } } } }`);
    rows[list] = data[list].edges.map(({ cursor, node }) => ({ ...node, edgeCursor: cursor }));
  }
  const logs = (await ask(`{ steps { nodes { logs { __typename ${leavesOf("Log")} } } } }`)).steps.nodes;
  rows.logs = logs.flatMap((step) => step.logs);
  const figures = "{ builds successRate medianDurationS p95DurationS results { results count } " +
    "steps { name runs failures medianDurationS p95DurationS medianLockWaitS } }";
  const statistics = (await ask(`{ builders { nodes { builderid stats ${figures} } } }`)).builders.nodes;
  const { eventCursor, _service } = await ask("{ eventCursor _service { sdl } }");

  const whole = (args, context) => {
    if (Object.values(args).some((value) => value != null)) context.comparable = false;
  };
  const connection = (nodes) => (args, context) => {
    whole(args, context);
    const edges = nodes.map((node) => ({ node, cursor: node.edgeCursor }));
    const pageInfo = { hasNextPage: false, hasPreviousPage: false };
    Object.assign(pageInfo, { startCursor: edges.at(0)?.cursor, endCursor: edges.at(-1)?.cursor });
    return { nodes, edges, pageInfo, totalCount: nodes.length };
  };
  const all = [...rows.builders, ...rows.builds, ...rows.steps, ...rows.logs];
  const keys = { Builder: "builderid", Build: "buildid", Step: "stepid", Log: "logid" };
  const entity = (representation) => {
    const key = keys[representation?.__typename];
    const { id = null, [key]: number = null } = representation ?? {};
    if (!key || (id === null && number === null)) return new Error("a rule of the field");
    const fits = (row) => (id === null || row.id === id) && (number === null || row[key] === number);
    return all.find((row) => row.__typename === representation.__typename && fits(row)) ?? null;
  };
  const one = (list, key) => (args) => rows[list].find((row) => row[key] === args[key]);
  for (const builder of rows.builders) {
    const builds = rows.builds.filter(({ builderid }) => builderid === builder.builderid);
    builder.builds = connection(builds);
    builder.build = ({ number }) => builds.find((build) => build.number === number);
    const { stats } = statistics.find(({ builderid }) => builderid === builder.builderid);
    builder.stats = ({ last }, context) => {
      // They were read for the default. A rule of the field refuses some, where there is a builder.
      if (last !== 50) context.comparable = false;
      return stats;
    };
  }
  for (const build of rows.builds) {
    build.builder = rows.builders.find(({ builderid }) => builderid === build.builderid);
    build.steps = (args, context) => {
      whole(args, context);
      return rows.steps.filter(({ buildid }) => buildid === build.buildid);
    };
  }
  for (const build of rows.builds) {
    const running = rows.steps.filter(({ buildid, complete }) => buildid === build.buildid && !complete);
    build.currentStep = build.complete ? null : running.sort((a, b) => b.number - a.number)[0] ?? null;
  }
  for (const step of rows.steps) {
    step.build = rows.builds.find(({ buildid }) => buildid === step.buildid);
    step.logs = rows.logs.filter(({ stepid }) => stepid === step.stepid);
    step.log = ({ slug }) => step.logs.find((log) => log.slug === slug);
  }
  for (const log of rows.logs) {
    log.step = rows.steps.find(({ stepid }) => stepid === log.stepid);
    // The text was not read.
    log.lines = log.search = (_, context) => { context.comparable = false; return null; };
  }

  const root = {
    eventCursor,
    builder({ builderid = null, name = null }) {
      if ((builderid === null) === (name === null)) throw new Error("a rule of the field");
      return name === null ? one("builders", "builderid")({ builderid }) : one("builders", "name")({ name });
    },
    build: one("builds", "buildid"),
    step: one("steps", "stepid"),
    log: one("logs", "logid"),
    node: ({ id }) => all.find((row) => row.id === id),
    nodes: ({ ids }) => ids.map((id) => all.find((row) => row.id === id) ?? null),
    _service,
    _entities({ representations }) {
      // A number that is none is null.
      if (representations.includes(Infinity)) throw new Error("a rule of the field");
      return representations.map(entity);
    },
    builders: connection(rows.builders),
    builds: connection(rows.builds),
    steps: connection(rows.steps),
    async *stepEvents({ snapshot }) {
      if (snapshot) yield { stepEvents: { cursor: eventCursor, kind: "SNAPSHOT", step: rows.steps[0] } };
      await new Promise(() => {});
    },
    async *buildEvents({ snapshot }) {
      if (snapshot) yield { buildEvents: { cursor: eventCursor, kind: "SNAPSHOT", build: rows.builds[0] } };
      await new Promise(() => {});
    },
    async *logTail() { await new Promise(() => {}); },
    async *events({ snapshot }) {
      const first = { __typename: "BuilderEvent", cursor: eventCursor, kind: "SNAPSHOT", builder: rows.builders[0] };
      if (snapshot) yield { events: first };
      await new Promise(() => {});
    },
  };
  // Every mutation names a row that does not exist.
  for (const name of Object.keys(schema.getMutationType().getFields())) {
    root[name] = () => { throw new Error("a rule of the field"); };
  }
  return { root, ids: all.map(({ id }) => id) };
}

// kind: "refused" before execution, "field error", "ok", or "silent" for a stream without an event.
export async function startReference(ask) {
  const schema = readSchema();
  const { root: rootValue, ids } = await readRows(schema, ask);

  async function decide({ query, variables, operationName }) {
    let document;
    try {
      document = parse(query);
    } catch (error) {
      return { kind: "refused", why: error.message };
    }
    const [error] = validate(schema, document);
    if (error) return { kind: "refused", why: error.message };
    const variableValues = JSON.parse(variables ?? "null") ?? {};
    if (variableValues.constructor !== Object) return { kind: "refused", why: "variables are no object" };
    const contextValue = { comparable: true };
    const request = { schema, document, rootValue, contextValue, variableValues };
    // As servers do, not as graphql-js does.
    if (operationName) request.operationName = operationName;
    let result;
    if (getOperationAST(document, request.operationName)?.operation === "subscription") {
      // graphql-js 16 throws where @skip leaves no field.
      const stream = await subscribe(request).catch((thrown) => ({ errors: [thrown] }));
      if (!(Symbol.asyncIterator in stream)) result = stream;
      else result = (await Promise.race([stream.next(), new Promise((late) => setTimeout(late, 10, {}))])).value;
      if (!result) return { kind: "silent" };
    } else {
      result = await execute(request);
    }
    const { data, errors = [] } = result;
    const kind = data === undefined ? "refused" : errors.length ? "field error" : "ok";
    return { kind, why: errors[0]?.message, data, errors: errors.length, comparable: contextValue.comparable };
  }

  // The same request with its variables written as literals, or undefined where it has none. An argument or a field of
  // an input object whose variable was left out is left out.
  function inline({ query, variables, operationName }) {
    const document = parse(query);
    const operation = getOperationAST(document, operationName);
    const isOnly = document.definitions.every((it) => it === operation || it.kind === "FragmentDefinition");
    if (!isOnly || !operation.variableDefinitions.length) return undefined;
    const { coerced } = getVariableValues(schema, operation.variableDefinitions, JSON.parse(variables ?? "null") ?? {});
    const types = new TypeInfo(schema);
    const leaveOut = ({ value }) => (value.kind === "Variable" && !(value.name.value in coerced) ? null : undefined);
    const literal = visit(document, visitWithTypeInfo(types, {
      VariableDefinition: () => null,
      Argument: leaveOut,
      ObjectField: leaveOut,
      Variable: ({ name }) => toLiteral(coerced[name.value] ?? null, types.getInputType()) ?? { kind: "NullValue" },
    }));
    // A variable may be null where null is no literal, as long as @skip leaves the place out.
    return validate(schema, literal).length ? undefined : print(literal);
  }

  return { schema, ids, decide, inline };
}
