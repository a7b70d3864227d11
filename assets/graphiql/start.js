"use strict";

const query = `# The newest builds with their
# steps, in one request.
query Builds {
  builds(last: 5) {
    nodes {
      buildid
      number
      stateString
      results
      builder { name tags }
      steps {
        name
        stateString
        results
        durationS
        urls { name url }
      }
    }
  }
}
`;

const mutations = `# One build's life. Run these from
# top to bottom: the button asks
# which one. The ids in an answer go
# into the variables by themselves.
# Run "Live" in a second window to
# see it happen.

# 1. Finds the builder, or adds it.
mutation FindBuilder($builder: String!) {
  findBuilder(name: $builder) {
    builderid
    name
  }
}

# 2. Adds a running build.
mutation AddBuild($builderid: Int!) {
  addBuild(builderid: $builderid) {
    build { buildid number stateString }
  }
}

# 3. Adds a step to the build. A name
# that is taken gets a suffix.
mutation NewStep($buildid: Int!, $step: String!) {
  newStep(buildid: $buildid, name: $step) {
    step { stepid number name stateString }
  }
}

# 4. The step starts.
mutation StartStep($stepid: Int!) {
  startStep(stepid: $stepid) {
    step { name startedAt stateString }
  }
}

# 5. It says how far it is.
mutation SetState($stepid: Int!) {
  setStepStateString(
    stepid: $stepid
    stateString: "compiling 41 of 130"
  ) {
    step { name stateString }
  }
}

# 6. The step ends.
mutation FinishStep($stepid: Int!) {
  setStepStateString(
    stepid: $stepid
    stateString: "compile"
  ) {
    cursor
  }
  finishStep(stepid: $stepid, results: SUCCESS) {
    step { name results durationS }
  }
}

# 7. The build ends.
mutation FinishBuild($buildid: Int!) {
  setBuildStateString(
    buildid: $buildid
    stateString: "build successful"
  ) {
    build { number }
  }
  finishBuild(buildid: $buildid, results: SUCCESS) {
    build {
      stateString
      results
      steps { name stateString results }
    }
  }
}
`;

const variables = `{
  "builder": "playground",
  "builderid": 0,
  "buildid": 0,
  "step": "compile",
  "stepid": 0
}
`;

const subscription = `# Every change of every step from
# now on, until you stop it: the
# newest on top, and the last 50.
subscription Live {
  stepEvents {
    cursor
    kind
    occurredAt
    step {
      stepid
      name
      stateString
      results
      build {
        number
        builder { name }
      }
    }
  }
}
`;

// How many events of a subscription are shown.
const MAX_EVENTS = 50;

// What an earlier visit left open. GraphiQL keeps its tabs by itself, but adds an empty one
// unless its props hold the text of a tab it kept.
function tabOfEarlierVisit() {
  try {
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem("graphiql:tabState"));
    const { query, variables } = tabs[activeTabIndex];
    return { query: query ?? "", variables: variables ?? "" };
  } catch {
    return {};
  }
}

// The operation of a link, /graphiql#query=…&variables=…: a fragment is not sent, so it is in no log.
// It is shown and does not run by itself.
function tabOfLink() {
  const link = new URLSearchParams(window.location.hash.slice(1));
  const linked = link.get("query");
  if (!linked) return undefined;
  // The address would open it again on each visit.
  history.replaceState(null, "", window.location.pathname);
  return { query: linked, variables: indented(link.get("variables") ?? "") };
}

function indented(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

// A link that is followed here changes the fragment alone.
window.addEventListener("hashchange", () => window.location.reload());

const { protocol, host } = window.location;
const send = GraphiQL.createFetcher({
  url: "/graphql",
  subscriptionUrl: `${protocol === "https:" ? "wss:" : "ws:"}//${host}/graphql`,
  headers: { accept: "application/graphql-response+json, application/json" },
  // The server has neither @defer nor @stream, and this would send an Accept of its own.
  enableIncrementalDelivery: false,
});

async function fetcher(request, options) {
  const result = await send(request, options);
  if (result[Symbol.asyncIterator]) return listEvents(result);
  fillVariables(request, result.data);
  return result;
}

// GraphiQL shows what came last alone. This gives it a list with the newest event on top.
function listEvents(events) {
  const lists = {};
  const list = ({ done, value }) => {
    // An error ends the stream, and is shown as it is.
    if (done || !value.data) return { done, value };
    for (const [field, event] of Object.entries(value.data)) {
      lists[field] = [event, ...(lists[field] ?? [])].slice(0, MAX_EVENTS);
    }
    return { done, value: { ...value, data: { ...lists } } };
  };
  // Not a generator, whose end would wait for the next event.
  return {
    [Symbol.asyncIterator]() { return this; },
    next: async () => list(await events.next()),
    return: () => events.return(),
  };
}

// Puts the ids of an answer into the variables of the same name.
function fillVariables({ variables }, data) {
  const ids = Object.entries(variables ?? {}).flatMap(([name]) => {
    const id = /^(builder|build|step)id$/.test(name) ? find(name, data) : undefined;
    return id === undefined || id === variables[name] ? [] : [[name, id]];
  });
  if (ids.length === 0) return;
  const text = JSON.stringify({ ...variables, ...Object.fromEntries(ids) }, null, 2);
  // GraphiQL takes over a prop when it changes; the user may have changed the text meanwhile.
  render({ variables: props.variables === text ? `${text}\n` : text });
}

// The value of the first field of this name.
function find(name, data) {
  if (data === null || typeof data !== "object") return undefined;
  if (data[name] !== undefined) return data[name];
  return Object.values(data).map((value) => find(name, value)).find((found) => found !== undefined);
}

// GraphiQL has no setting for it, and would cut long lines off.
function wrapLines() {
  for (const { CodeMirror: editor } of document.querySelectorAll("#graphiql .CodeMirror")) {
    if (!editor.getOption("lineWrapping")) editor.setOption("lineWrapping", true);
  }
}

const container = document.getElementById("graphiql");
new MutationObserver(wrapLines).observe(container, { childList: true, subtree: true });
const root = ReactDOM.createRoot(container);
const linked = tabOfLink();
let props = {
  fetcher,
  // The first one is open. What an earlier visit left is shown instead, with the link's tab at its end.
  defaultTabs: [
    ...(linked ? [linked] : []), { query }, { query: mutations, variables }, { query: subscription },
  ],
  defaultEditorToolsVisibility: "variables",
  ...(linked ?? tabOfEarlierVisit()),
};

function render(changed) {
  props = { ...props, ...changed };
  root.render(React.createElement(GraphiQL, props));
}

render();
