// Requests by hand: a document, or a document with variables and an operation's name.

const B = "build(buildid: 1)";
const E = "stepEvents(snapshot: true)";
const build = (selection, rest = "") => `{ ${B} { ${selection} } }${rest}`;
const node = (selection) => `{ node(id: "none") { ${selection} } }`;
const steps = (type, where) => `query ($v: ${type}) { steps(where: ${where}) { totalCount } }`;
const ordered = "query ($v: OrderDirection) { builds(orderBy: { field: NUMBER, direction: $v }) { edges { cursor } } }";
const finish = "mutation ($v: Boolean) { finishStep(stepid: 999999, results: SUCCESS, hidden: $v) { cursor } }";
const two = "query A { a: __typename } query B { b: __typename }";
const stream = (selection, rest = "") => `subscription { ${selection} }${rest}`;
const onRoot = (selection) => ` fragment F on Subscription { ${selection} }`;

const DOCUMENTS = [
  // @skip and @include
  build("number @skip(if: true)"), `{ ${B} @skip(if: true) { number } }`, "{ __typename @skip(if: true) }",
  build("number @include(if: true) @skip(if: true)"), build("number @skip(if: true) buildid number"),
  build("...F @skip(if: true) ...F buildid", " fragment F on Build { number }"), build("number @skip"),
  build("... @skip(if: true) { number } steps @include(if: false) { name }"),
  [`query ($v: Boolean = true) ${build("number @include(if: $v)")}`, '{ "v": null }'],
  ["query ($v: Boolean = true) { a: __typename @include(if: $v) }", '{ "v": null }'],
  ["query ($v: Boolean = true) { a: __typename @skip(if: $v) b: __typename }", "{}"],
  // Merged fields and their order
  `{ ${B} { number } ${B} { buildid } }`, `{ ${B} { number } build(buildid: 2) { number } }`,
  build("x: number x: buildid"), build("steps { name } number steps { number }"),
  build("complete ...F id", " fragment F on Build { steps { name } complete }"),
  "{ builder(builderid: 1) { name } builder(name: null, builderid: 1) { name } }",
  "{ steps(where: { and: {}, or: {} }) { totalCount } steps(where: { or: {}, and: {} }) { totalCount } }",
  `query ($v: Int = 1) { build(buildid: $v) { number } ${B} { number } }`,
  ...["number", "name", "lockWaitS", "urls { url }"]
    .map((selection) => node(`... on Build { x: number } ... on Step { x: ${selection} }`)),
  node("... on Build { x: builder { y: name } } ... on Step { x: build { y: number } }"),
  `{ ...F ...F ... on Query { ... { ${B} { number } } } } fragment F on Query { ${B} { id } }`,
  node("... on Build { x: __typename } ... on Step { x: number }"),
  // What may be delivered later
  build('...F @defer(label: "a") steps @stream(initialCount: 1) { name }', " fragment F on Build { number }"),
  build('... @defer(if: 1) { number }'), build("number @defer"), build("... @stream { number }"),
  ["query ($v: Boolean! = true) { ... @defer(if: $v) { __typename } }", '{ "v": false }'],
  // A federation's entities
  ["query ($v: Int) { _entities(representations: [{ __typename: \"Build\", buildid: $v }]) { ... on Build { number } } }", '{ "v": 1 }'],
  "{ _entities(representations: { __typename: \"Step\", stepid: 1 }) { __typename ... on Node { id } } _service { sdl } }",
  "{ _entities(representations: [null]) { __typename } }", "{ _entities(representations: []) { id } }",
  // Nulls
  "{ builder { name } }", `{ builder { name } ${B} { number } }`, "{ build(buildid: 99) { builder { name } } }",
  // Fragments
  build("... on Step { name }"), build("... on Node { ... on Step { name } }"), build("... on Results { x }"),
  "{ ...none }", "fragment F on Query { __typename }", "{ __typename } fragment F on Query { __typename }",
  "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", "{ ...on } fragment on on Query { __typename }",
  "{ ...F } fragment F($v: Int) on Query { __typename }",
  "{ ...F } fragment F on Query { __typename } fragment F on Query { __typename }",
  // Selections
  "{}", "", " ", "# none", `{ ${B} }`, `{ ${B} {} }`, build("number { x }"), "{ build() { id } }", "{ __none }",
  "{ eventCursor(none: 1) }", "{ __typename { x } }", "mutation { __typename }", "{ __schema }",
  build("__schema { types { name } }"),
  '{ __type(name: "Step") { fields(includeDeprecated: true) { name } } none: __type(name: "None") { name } }',
  "{ __schema { types { name kind interfaces { name } possibleTypes { name } } directives { name locations } } }",
  // Operations
  ...[undefined, "A", "C", ""].flatMap((name) => [[two, undefined, name], ["{ a: __typename }", undefined, name]]),
  ["query A { none } query B { __typename }", undefined, "B"], "query A { __typename } query A { __typename }",
  ["query A($v: Int!) { builds(first: $v) { totalCount } } query B { __typename }", undefined, "B"],
  "query A { ...F } query B($v: Int!) { ...F } fragment F on Query { builds(first: $v) { totalCount } }",
  "type A { a: Int } { __typename }", "extend type Query { a: Int } { __typename }", '"text" query Q { __typename }',
  // Variables
  ...["[]", '"{}"', "1", "null", '{ "none": 1 }', '{ "v": 1, "w": 2 }', '{ "V": 1 }']
    .map((variables) => ["query ($v: Int = 1) { build(buildid: $v) { id } }", variables]),
  ["query ($v: Int) { build(buildid: $v) { id } }", '{ "v": 1 }'], "query ($v: Int) { __typename }",
  "query ($v: Int, $v: Int) { builder(builderid: $v) { name } }", "query ($v: Build) { __typename @skip(if: $v) }",
  "query ($v: Int = $w, $w: Int) { a: builder(builderid: $v) { name } b: builder(builderid: $w) { name } }",
  [steps("[Int]", "{ number: { in: $v } }"), '{ "v": [1] }'],
  [steps("Int = 1", "{ number: { in: [$v] } }"), '{ "v": null }'],
  // Left out, null and given
  ...["{}", '{ "v": null }', '{ "v": "one" }'].map((variables) => [steps("String", "{ name: { eq: $v } }"), variables]),
  [steps("[Results!]", "{ results: { in: $v } }"), "{}"], [steps("Boolean", "{ hidden: $v }"), "{}"],
  [steps("StepFilter", "{ not: $v }"), "{}"], [steps("DateTime", "{ startedAt: { ge: $v, isNull: false } }"), "{}"],
  [steps("StepFilter", "$v"), '{ "v": { "and": { "name": { "eq": null } } } }'], [steps("StepFilter", "$v"), "{}"],
  [ordered, "{}"], [ordered, '{ "v": null }'], [finish, "{}"], [finish, '{ "v": null }'],
  // Text
  "\uFEFF{ __typename }", "{ \uFEFF__typename }", "{\r\n__typename\r}", "{ __typename # a\r b: __typename\n}",
  "{,,,__typename,,,}", "{\u00a0__typename }", "{\f__typename }", "{ __typename # \u0007\n}", "{ \u00fc }",
  ...["1a", "1.a", "- 1"].map((value) => `{ build(buildid: ${value}) { id } }`),
  "query ($ v: Int! = 1) { build(buildid: $ v) { id @ include(if: true) } }",
];

const SUBSCRIPTIONS = [
  stream(`${E} { kind }`), stream(`a: ${E} { kind step { name build { id } } }`), stream(`${E} { kind } __typename`),
  stream(`${E} { kind } ${E} { cursor kind }`), stream(`a: ${E} { kind } b: ${E} { kind }`), stream("__typename"),
  stream("...F", onRoot(`${E} { kind }`)), stream("...F", onRoot(`${E} { kind } a: ${E} { kind }`)),
  stream("...F", onRoot("__typename")), stream(`... { ${E} { kind } } ...F`, onRoot(`${E} { cursor }`)),
  stream(`${E} { ... on StepEvent { kind @skip(if: true) cursor } }`), stream(`${E} { kind @skip(if: true) }`),
  stream(`${E} @skip(if: true) { kind }`), stream(`${E} @include(if: true) { kind }`), stream(`${E} { none }`),
  stream(`${E} { kind } stepEvents { kind }`), stream("stepEvents(snapshot: null) { kind }"), stream(E),
  stream("stepEvents { kind }"),
  ...[["Boolean! = true", "{}"], ["Boolean", "{}"], ["Boolean = true", '{ "v": null }'], ["Boolean!", "{}"]]
    .map(([type, variables]) => [`subscription ($v: ${type}) { stepEvents(snapshot: $v) { kind } }`, variables]),
  ...["{}", '{ "v": null }', '{ "v": 1 }', '{ "v": "1" }'].flatMap((variables) => ["Int", "Int = 1"].map((type) =>
    [`subscription ($v: ${type}) { stepEvents(snapshot: true, where: { stepid: $v }) { kind } }`, variables])),
  ["subscription ($v: StepEventFilter) { stepEvents(snapshot: true, where: $v) { kind } }", '{ "v": { "stepid": 1 } }'],
  ["subscription ($v: EventCursor) { stepEvents(after: $v, snapshot: true) { kind } }", "{}"],
  [stream("buildEvents(snapshot: true) { kind cursor build { number builder { name } currentStep { name } } }")],
  [stream("events(snapshot: true) { __typename kind ... on BuilderEvent { builder { name tags } } ... on StepEvent { step { name } } }")],
  [stream("events(snapshot: true) { ...F }", " fragment F on Event { cursor ...G } fragment G on BuilderEvent { id: kind }")],
  [stream("events { kind ... on Step { name } }")],
  [stream("events(where: { types: [LOG] }) { kind }")],
  ["subscription ($v: [EventType!]) { events(snapshot: true, where: { types: $v }) { kind } }", '{ "v": ["BUILDER"] }'],
  ...["A", "B", undefined].map((name) => [`subscription A { ${E} { kind } } query B { __typename }`, undefined, name]),
];

const request = (it) => {
  const [query, variables, operationName] = [it].flat();
  return { query, variables, operationName };
};
export const documentCases = () => DOCUMENTS.map(request);
export const subscriptionCases = () => SUBSCRIPTIONS.map(request);
