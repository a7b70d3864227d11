"use strict";

const query = `# The newest builds with their steps,
# in one request.
query Builds {
  builds(
    first: 5
    orderBy: [{field: BUILDID, direction: DESC}]
  ) {
    nodes {
      buildid
      number
      stateString
      results
      builder { name tags }
      steps {
        number
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

const mutations = `# One build's life, written through the API.
# Run these from top to bottom: the button
# asks which one. After 1, 2 and 3, copy the id
# from the response into the variables below.
# Run "Live" in a second window to see it happen.

# 1. The builder of this name, made if there
# is none. Copy builderid.
mutation FindBuilder($builder: String!) {
  findBuilder(name: $builder) {
    builderid
    name
  }
}

# 2. A running build on it. Copy buildid.
mutation AddBuild($builderid: Int!) {
  addBuild(builderid: $builderid) {
    build { buildid number stateString }
  }
}

# 3. A step in the build. Copy stepid.
# Run it twice: the second name gets a suffix.
mutation NewStep($buildid: Int!, $step: String!) {
  newStep(buildid: $buildid, name: $step) {
    cursor
    step { stepid number name stateString }
  }
}

# 4. The step starts.
mutation StartStep($stepid: Int!) {
  startStep(stepid: $stepid) {
    cursor
    step { name startedAt stateString }
  }
}

# 5. The step ends.
mutation FinishStep($stepid: Int!) {
  finishStep(stepid: $stepid, results: SUCCESS) {
    cursor
    step { name results durationS }
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

const subscription = `# Every change of every step from now on,
# until you stop it.
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
      build { number builder { name } }
    }
  }
}
`;

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

const { protocol, host } = window.location;
const fetcher = GraphiQL.createFetcher({
  url: "/graphql",
  subscriptionUrl: `${protocol === "https:" ? "wss:" : "ws:"}//${host}/graphql`,
  headers: { accept: "application/graphql-response+json, application/json" },
  // The server has neither @defer nor @stream, and this would send an Accept of its own.
  enableIncrementalDelivery: false,
});

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: [{ query }, { query: mutations, variables }, { query: subscription }],
    defaultEditorToolsVisibility: "variables",
    ...tabOfEarlierVisit(),
  }),
);
