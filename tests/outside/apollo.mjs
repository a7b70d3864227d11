// Apollo Client 3 and 4 under one set of names, and what their tests share.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import * as core from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { relayStylePagination } from "@apollo/client/utilities";

const require = createRequire(import.meta.url);
const three = (path) => require(`apollo-client-3/${path}`);
const { createPersistedQueryLink } = three("link/persisted-queries");

export const VERSIONS = [
  {
    name: "Apollo Client 3",
    ...three("core"),
    ...three("link/batch-http"),
    ...three("link/retry"),
    ...three("link/subscriptions"),
    ...three("utilities"),
    persistedQueryLink: createPersistedQueryLink,
    incrementalHandlers: [undefined],
  },
  {
    name: "Apollo Client 4",
    ...core,
    BatchHttpLink,
    RetryLink,
    GraphQLWsLink,
    relayStylePagination,
    persistedQueryLink: (options) => new PersistedQueryLink(options),
    incrementalHandlers: [new Defer20220824Handler(), new GraphQL17Alpha9Handler()],
  },
];

export const sha256 = (text) => createHash("sha256").update(text).digest("hex");

// A fetch that notes each request with its status.
export function recordingFetch() {
  const requests = [];
  const record = async (url, init) => {
    const response = await fetch(url, init);
    requests.push({ method: init.method, url, body: init.body, status: response.status });
    return response;
  };
  return { requests, fetch: record };
}

// A client over this link, with a cache of its own.
export function apolloClient(apollo, link, { typePolicies, incrementalHandler } = {}) {
  const cache = new apollo.InMemoryCache({ typePolicies });
  return new apollo.ApolloClient({ link, cache, incrementalHandler });
}
