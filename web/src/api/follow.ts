// Keeps a view equal to the database. The algorithm:
//
// 1. Take the feed's position (`eventCursor`), then load what the view shows. What changes
//    meanwhile is in the feed behind that position, so nothing falls between the two.
// 2. Subscribe behind the position. Events of the time of loading come again; each holds the whole
//    object, so that the last one stands. At `CaughtUp` the view is live, and not before.
// 3. When the connection is lost, subscribe again behind the last event.
// 4. Where that is impossible (the cursor expired, or this client was too slow), begin at 1.
import { EventCursorDocument } from "../gql/graphql";
import { OperationError, Unreachable, query } from "./query";
import { serverNow } from "./session";
import { forgetConnection } from "./socket";
import { type Operation, type StreamEnd, classify, listen, pauseMs, wait } from "./stream";

/** What the view is at this moment. Only `live` may be taken for the present. */
export type FeedStatus =
  | { is: "loading" }
  | { is: "live" | "behind"; behindS: number; at: number }
  | { is: StreamEnd["is"]; since: number; why: string };

/** What every event has. */
export interface AnyEvent {
  __typename?: string | undefined;
  cursor: string;
  occurredAt: string;
}

/** What a view loads and listens to. */
export interface Followed<Event> {
  /** Replaces all that the view shows. */
  load(signal: AbortSignal): Promise<void>;
  /** What it listens to behind this position. */
  events(after: string): Operation;
  /** Takes a change over. */
  apply(event: Event): void;
}

/** Follows a view until the signal ends it. Each change of the status is reported. */
export async function follow<Event extends AnyEvent>(
  view: Followed<Event>,
  signal: AbortSignal,
  report: (status: FeedStatus) => void,
): Promise<void> {
  let cursor: string | undefined;
  let failures = 0;
  let failingSince: number | undefined;
  while (!signal.aborted) {
    try {
      if (cursor === undefined) {
        if (failingSince === undefined) report({ is: "loading" });
        const start = await readCursor(signal);
        await view.load(signal);
        // Without a feed the rows can be shown, but not as live.
        if (start instanceof OperationError) throw start;
        cursor = start;
      }
      let isLive = false;
      for await (const { events: event } of listen<{ events: Event }>(view.events(cursor), signal)) {
        cursor = event.cursor;
        failures = 0;
        failingSince = undefined;
        isLive ||= event.__typename === "CaughtUp";
        if (event.__typename !== "CaughtUp") view.apply(event);
        report({ is: isLive ? "live" : "behind", behindS: behindS(event), at: serverNow() });
      }
      throw new Unreachable("the server ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      const end = classify(error);
      if (end.begins === "anew") cursor = undefined;
      failingSince ??= serverNow();
      report({ is: end.is, since: failingSince, why: end.why });
      if (end.is === "unauthenticated") forgetConnection();
      if (end.is === "unauthenticated" || end.is === "refused") return;
      await wait(pauseMs(end.is, failures), signal);
      failures += 1;
    }
  }
}

/** The feed's position now; the error where the database has no feed. */
async function readCursor(signal: AbortSignal): Promise<string | OperationError> {
  try {
    return (await query(EventCursorDocument, {}, signal)).eventCursor;
  } catch (error) {
    if (error instanceof OperationError && error.code === "FEED_DETACHED") return error;
    throw error;
  }
}

/** The age of an event. The feed's times are whole seconds, so a difference of one is none. */
function behindS(event: AnyEvent): number {
  return Math.max(0, Math.round((serverNow() - Date.parse(event.occurredAt)) / 1_000) - 1);
}
