// Keeps a view equal to the database. The algorithm:
//
// 1. Take the feed's position (`eventCursor`), then load what the view shows. What changes
//    meanwhile is in the feed behind that position, so nothing falls between the two.
// 2. Subscribe behind the position. Events of the time of loading come again; each holds the whole
//    object, so that the last one stands. At `CaughtUp` the view is live, and not before.
// 3. When the connection is lost, subscribe again behind the last event.
// 4. Where that is impossible (the cursor expired, or this client was too slow), begin at 1.
import { EventCursorDocument } from "../gql/graphql";
import { type GraphQLErrorLike, OperationError, Unreachable, query } from "./query";
import { serverNow } from "./session";
import { forgetConnection, socketClient } from "./socket";

/** What the view is at this moment. Only `live` may be taken for the present. */
export type FeedStatus =
  | { is: "loading" }
  | { is: "live" | "behind"; behindS: number; at: number }
  | { is: "reconnecting" | "unavailable" | "detached" | "unauthenticated" | "refused"; since: number; why: string };

/** What every event has. */
export interface AnyEvent {
  __typename?: string | undefined;
  cursor: string;
  occurredAt: string;
}

/** A subscription with its variables. */
export interface Operation {
  document: { toString(): string };
  variables: Record<string, unknown>;
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
      for await (const event of listen<Event>(view.events(cursor), signal)) {
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

/** The events of a subscription. Throws what ended it. */
async function* listen<Event>(operation: Operation, signal: AbortSignal): AsyncGenerator<Event> {
  const stream = socketClient().iterate<{ events: Event }>({
    query: operation.document.toString(),
    variables: operation.variables,
  });
  const stop = () => void stream.return?.();
  signal.addEventListener("abort", stop);
  try {
    for await (const { data, errors } of stream) {
      if (errors !== undefined) throw new OperationError(errors as readonly GraphQLErrorLike[]);
      if (data != null) yield data.events;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

interface End {
  is: "reconnecting" | "unavailable" | "detached" | "unauthenticated" | "refused";
  why: string;
  begins?: "anew";
}

/** What the end of a load or a stream means for the view. */
function classify(error: unknown): End {
  if (error instanceof Unreachable) return { is: "reconnecting", why: error.message };
  if (error instanceof CloseEvent) return ofClose(error);
  const errors = Array.isArray(error) ? new OperationError(error as GraphQLErrorLike[]) : error;
  if (errors instanceof OperationError) return ofCode(errors.code, errors.message);
  // graphql-ws reports a socket that could not be opened by an event without a text.
  return { is: "reconnecting", why: "the server cannot be reached" };
}

function ofClose({ code, reason }: CloseEvent): End {
  const [named] = /^[A-Z_]+(?=[:; ])/.exec(reason) ?? [];
  // The rest of the reason is for clients: the cursor to resume from.
  if (named !== undefined) return ofCode(named, "The server cannot read its database at the moment. This page goes on when it can.");
  if (code === 4403) return { is: "unauthenticated", why: reason };
  return { is: "reconnecting", why: reason || "the connection was lost" };
}

function ofCode(code: string | undefined, why: string): End {
  switch (code) {
    case "CURSOR_EXPIRED":
    case "FEED_LAGGED":
      return { is: "reconnecting", why, begins: "anew" };
    case "FEED_DETACHED":
      // Whoever attaches again begins a new feed, or one with a gap.
      return { is: "detached", why, begins: "anew" };
    case "UNAUTHENTICATED":
    case "FORBIDDEN":
      return { is: "unauthenticated", why };
    case "UNAVAILABLE":
    case "RATE_LIMITED":
    case "LIMIT_EXCEEDED":
    case "INTERNAL":
    case undefined:
      return { is: "unavailable", why };
    default:
      return { is: "refused", why };
  }
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** How long to wait before the next try; many pages must not come back at the same moment. */
function pauseMs(is: End["is"], failures: number): number {
  if (is === "detached") return LONGEST_PAUSE_MS;
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** The age of an event. The feed's times are whole seconds, so a difference of one is none. */
function behindS(event: AnyEvent): number {
  return Math.max(0, Math.round((serverNow() - Date.parse(event.occurredAt)) / 1_000) - 1);
}
