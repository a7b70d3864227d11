// Subscriptions of Apollo Client 3 and 4: as multipart responses over HTTP, and over the socket of npm graphql-ws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { VERSIONS, apolloClient } from "./apollo.mjs";
import { EVENTS, MUTATION, newBuild, post, resumes, until } from "./resume.mjs";
import { startServer } from "./server.mjs";

const SNAPSHOT = `subscription ($build: Int!) {
  stepEvents(where: { buildid: $build }, snapshot: true) { kind step { stateString } }
}`;

for (const apollo of VERSIONS) {
  const { GraphQLWsLink, HttpLink, gql, name } = apollo;
  const http = (origin) => apolloClient(apollo, new HttpLink({ uri: `${origin}/graphql` }));

  test(`${name}: a multipart subscription over HttpLink`, async () => {
    const server = await startServer();
    try {
      const { buildid, stepid } = await newBuild(server.origin);
      const heard = [];
      let failure;
      const subscription = http(server.origin).subscribe({
        query: gql(SNAPSHOT),
        variables: { build: buildid },
      }).subscribe({
        next: ({ data, error, errors }) => (data ? heard.push(data.stepEvents.step.stateString) : failure ??= error ?? errors),
        error: (error) => (failure ??= error),
      });
      const more = (count) => until(() => failure || heard.length === count, () => `${heard} of ${count}`);
      await more(1);
      await post(server.origin, MUTATION, { step: stepid, state: "live" });
      await more(2);
      assert.equal(failure, undefined, `${failure}`);
      assert.equal(heard[1], "live");
      subscription.unsubscribe();
      // The server stops at once if the client has let go of the request.
      await server.stop();
    } finally {
      server.cleanUp();
    }
  });

  test(`${name}: a multipart subscription that is refused is an error`, async () => {
    const server = await startServer();
    try {
      const refused = new Promise((resolve, reject) => {
        http(server.origin).subscribe({ query: gql('subscription { stepEvents(after: "nothing") { kind } }') }).subscribe({
          next: ({ error, errors }) => resolve(error ?? errors[0]),
          error: resolve,
          complete: () => reject(new Error("complete")),
        });
      });
      assert.match((await refused).message, /after/);
    } finally {
      server.cleanUp();
    }
  });

  test(`${name}: a multipart subscription resumes with its cursor after cuts and after kill -9`, async () => {
    await resumes(({ origin, buildid, after, hear, fail }) => {
      const variables = { build: buildid, after };
      let stopped = false, running;
      const listen = () => {
        if (stopped) return;
        const again = () => setTimeout(listen, 50);
        running = http(origin).subscribe({ query: gql(EVENTS), variables: { ...variables } }).subscribe({
          next({ data, error, errors }) {
            // Version 4 reports a cut connection as a result, and completes.
            if (errors || error?.errors) return fail(`${error ?? JSON.stringify(errors)}`);
            if (!data) return;
            variables.after = data.stepEvents.cursor;
            hear(data.stepEvents);
          },
          error: (error) => (error.graphQLErrors?.length ? fail(`${error}`) : again()),
          complete: again,
        });
      };
      listen();
      return () => {
        stopped = true;
        running.unsubscribe();
      };
    }, { cuts: 2, kills: 1 });
  });

  test(`${name}: GraphQLWsLink resumes with its cursor after cuts and after kill -9`, async () => {
    await resumes(({ origin, buildid, after, hear, fail }) => {
      const socket = createClient({
        url: `${origin.replace("http", "ws")}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 100,
        retryWait: () => sleep(50),
        shouldRetry: () => true,
      });
      // The socket's client sends this object again with each connection, but the link copies it.
      const variables = { build: buildid, after };
      const share = new apollo.ApolloLink((operation, forward) => {
        operation.variables = variables;
        return forward(operation);
      });
      const link = share.concat(new GraphQLWsLink(socket));
      const subscription = apolloClient(apollo, link).subscribe({ query: gql(EVENTS), variables }).subscribe({
        next({ data, error, errors }) {
          if (!data) return fail(`${error ?? JSON.stringify(errors)}`);
          variables.after = data.stepEvents.cursor;
          hear(data.stepEvents);
        },
        error: (error) => fail(`${error}`),
      });
      return () => {
        subscription.unsubscribe();
        return socket.dispose();
      };
    }, { cuts: 2, kills: 1 });
  });
}
