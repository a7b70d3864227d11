// Two listeners to the same master: on its own `/ws`, and on our `stepEvents`.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { TIMEOUT } from "../server.mjs";

const RESULTS = ["SUCCESS", "WARNINGS", "FAILURE", "SKIPPED", "EXCEPTION", "RETRY", "CANCELLED"];

const EVENTS = `subscription ($after: EventCursor) {
  stepEvents(after: $after) {
    cursor kind occurredAt
    step {
      stepid number name buildid startedAt locksAcquiredAt complete completeAt stateString results urls { name url } hidden
    }
  }
}`;

const seconds = (time) => (time === null ? null : Date.parse(time) / 1000);
const now = () => performance.timeOrigin + performance.now();

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
  results: step.results === null ? null : RESULTS.indexOf(step.results),
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

// The master's events: `events` of { kind, step, at }.
export async function listenToTheirs(master) {
  const socket = new WebSocket(`${master.origin.replace("http", "ws")}/ws`);
  const events = [];
  const consuming = new Promise((resolve) => {
    socket.on("message", (data) => {
      const { k, m, _id } = JSON.parse(data);
      if (_id === 1) resolve();
      if (k) events.push({ kind: k.split("/")[2], step: m, at: now() });
    });
  });
  // A killed master sends no close frame.
  socket.on("error", () => {});
  await once(socket, "open");
  socket.send(JSON.stringify({ cmd: "startConsuming", path: "steps/*/*", _id: 1 }));
  await consuming;
  return { events, close: () => socket.terminate() };
}

// Our events: `events` of { kind, step, at, cursor }, `error` if the subscription failed, and `closes`, why sockets were
// closed. It reconnects by itself with its last cursor until it is closed.
export async function listenToOurs(ours, after = undefined) {
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
  client.subscribe({ query: EVENTS, variables }, {
    next({ data, errors }) {
      if (errors) return (heard.error = errors[0]);
      const { cursor, kind, occurredAt, step } = data.stepEvents;
      variables.after = cursor;
      heard.events.push({ kind: kind.toLowerCase(), step: asTheirs(step), at: now(), cursor, occurredAt: seconds(occurredAt) });
    },
    error: (error) => (heard.error = Array.isArray(error) ? error[0] : error),
    complete: () => (heard.ended = true),
  });
  return heard;
}

// Waits until both listeners have received the end of this step.
export const receivedEndOf = (stepid, ...listeners) =>
  until(
    () => listeners.every(({ events }) => events.some(({ kind, step }) => kind === "finished" && step.stepid === stepid)),
    () => `the end of step ${stepid}; heard ${listeners.map(({ events, error }) => `${events.length} ${error?.message ?? ""}`)}`,
  );
