// Two listeners to the same master: on its own `/ws`, and on our subscriptions.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { TIMEOUT } from "../server.mjs";

const RESULTS = ["SUCCESS", "WARNINGS", "FAILURE", "SKIPPED", "EXCEPTION", "RETRY", "CANCELLED"];

const STEP = `step {
  stepid number name buildid startedAt locksAcquiredAt complete completeAt stateString results urls { name url } hidden
}`;
const BUILD = `build {
  buildid number builderid buildrequestid workerid masterid startedAt complete completeAt locksDurationS stateString results
}`;
const BUILDER = "builder { builderid name description tags }";

// Of steps, of builds, and of all with the builders.
const SUBSCRIPTIONS = {
  stepEvents: `cursor kind occurredAt ${STEP}`,
  buildEvents: `cursor kind occurredAt ${BUILD}`,
  events: `cursor kind occurredAt ... on BuilderEvent { ${BUILDER} } ... on BuildEvent { ${BUILD} } ... on StepEvent { ${STEP} }`,
};

const seconds = (time) => (time === null ? null : Date.parse(time) / 1000);
const now = () => performance.timeOrigin + performance.now();

const code = (results) => (results === null ? null : RESULTS.indexOf(results));

// A build of ours in Buildbot's form, with all thirteen keys; REST shows no properties unless asked for.
export const buildAsTheirs = ({ buildid, number, builderid, buildrequestid, workerid, masterid, complete, ...build }) => ({
  buildid,
  number,
  builderid,
  buildrequestid,
  workerid,
  masterid,
  started_at: seconds(build.startedAt),
  complete,
  complete_at: seconds(build.completeAt),
  locks_duration_s: build.locksDurationS,
  results: code(build.results),
  state_string: build.stateString,
  properties: {},
});

// A step of ours in Buildbot's form, with all twelve keys.
export const asTheirs = ({ stepid, number, name, buildid, complete, urls, hidden, ...step }) => ({
  stepid,
  number,
  name,
  buildid,
  started_at: seconds(step.startedAt),
  locks_acquired_at: seconds(step.locksAcquiredAt),
  complete,
  complete_at: seconds(step.completeAt),
  state_string: step.stateString,
  results: code(step.results),
  urls,
  hidden,
});

// The longest that anybody waits.
export async function until(condition, what) {
  const end = Date.now() + 4 * TIMEOUT;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in time: ${what()}`);
    await sleep(20);
  }
}

// The master's events: `events` of { kind, step, at }, or { kind, build, at } of builds.
export async function listenToTheirs(master, nouns = ["steps"]) {
  const socket = new WebSocket(`${master.origin.replace("http", "ws")}/ws`);
  const events = [];
  const consuming = new Promise((resolve) => {
    socket.on("message", (data) => {
      const { k, m, _id } = JSON.parse(data);
      if (_id === nouns.length) resolve();
      if (!k) return;
      const [noun, , kind] = k.split("/");
      events.push({ kind, [noun.slice(0, -1)]: m, at: now() });
    });
  });
  // A killed master sends no close frame.
  socket.on("error", () => {});
  await once(socket, "open");
  nouns.forEach((noun, n) => socket.send(JSON.stringify({ cmd: "startConsuming", path: `${noun}/*/*`, _id: n + 1 })));
  await consuming;
  return { events, close: () => socket.terminate() };
}

// Our events: `events` of { kind, step, at, cursor }, or with `build` or `builder` in the place of `step`; `error` if the
// subscription failed, and `closes`, why sockets were closed. It reconnects by itself with its last cursor until it is
// closed.
export async function listenToOurs(ours, after = undefined, field = "stepEvents") {
  const from = after ?? (await ours.cursor());
  // A client that is just connecting to a server that is gone fails then.
  const close = async () => client.dispose().catch(() => {});
  const heard = { events: [], error: null, ended: false, connections: 0, closes: [], close };
  const variables = { after: from };
  const client = createClient({
    url: `${ours.origin.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 1000,
    retryWait: () => sleep(50),
    shouldRetry: () => true,
    on: { connected: () => (heard.connections += 1), closed: ({ reason }) => heard.closes.push(reason) },
  });
  const query = `subscription ($after: EventCursor) { ${field}(after: $after) { ${SUBSCRIPTIONS[field]} } }`;
  client.subscribe({ query, variables }, {
    next({ data, errors }) {
      if (errors) return (heard.error = errors[0]);
      const { cursor, kind, occurredAt, step, build, builder } = data[field];
      variables.after = cursor;
      // It goes on where it was, and is told so each time.
      if (kind === "CAUGHT_UP") return;
      const about = step ? { step: asTheirs(step) } : build ? { build: buildAsTheirs(build) } : { builder };
      heard.events.push({ kind: kind.toLowerCase(), ...about, at: now(), cursor, occurredAt: seconds(occurredAt) });
    },
    error: (error) => (heard.error = Array.isArray(error) ? error[0] : error),
    complete: () => (heard.ended = true),
  });
  return heard;
}

// Waits until both listeners have received the end of this step.
export const receivedEndOf = (stepid, ...listeners) =>
  until(
    () => listeners.every(({ events }) => events.some(({ kind, step }) => kind === "finished" && step?.stepid === stepid)),
    () => `the end of step ${stepid}; heard ${listeners.map(({ events, error }) => `${events.length} ${error?.message ?? ""}`)}`,
  );

// Waits until all of our listeners have received the end of this build.
export const receivedEndOfBuild = (buildid, ...listeners) =>
  until(
    () => listeners.every(({ events }) => events.some(({ kind, build }) => kind === "finished" && build?.buildid === buildid)),
    () => `the end of build ${buildid}; heard ${listeners.map(({ events, error }) => `${events.length} ${error?.message ?? ""}`)}`,
  );
