// A subscription over the page's socket, what its end means, and how long to wait before the next.
import { type GraphQLErrorLike, OperationError, Unreachable } from "./query";
import { socketClient } from "./socket";

/** A subscription with its variables. */
export interface Operation {
  document: { toString(): string };
  variables: Record<string, unknown>;
}

/** What a subscription sends. Throws what ended it. */
export async function* listen<Data>(operation: Operation, signal: AbortSignal): AsyncGenerator<Data> {
  const stream = socketClient().iterate({
    query: operation.document.toString(),
    variables: operation.variables,
  });
  const stop = () => void stream.return?.();
  signal.addEventListener("abort", stop);
  try {
    for await (const { data, errors } of stream) {
      if (errors !== undefined) throw new OperationError(errors as readonly GraphQLErrorLike[]);
      if (data != null) yield data as Data;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Why a load or a stream ended. */
export interface StreamEnd {
  is: "reconnecting" | "unavailable" | "detached" | "unauthenticated" | "refused";
  why: string;
  begins?: "anew";
}

/** What the end of a load or a stream means for the view. */
export function classify(error: unknown): StreamEnd {
  if (error instanceof Unreachable) return { is: "reconnecting", why: error.message };
  if (error instanceof CloseEvent) return ofClose(error);
  const errors = Array.isArray(error) ? new OperationError(error as GraphQLErrorLike[]) : error;
  if (errors instanceof OperationError) return ofCode(errors.code, errors.message);
  // graphql-ws reports a socket that could not be opened by an event without a text.
  return { is: "reconnecting", why: "the server cannot be reached" };
}

function ofClose({ code, reason }: CloseEvent): StreamEnd {
  const [named] = /^[A-Z_]+(?=[:; ])/.exec(reason) ?? [];
  // The rest of the reason is for clients: the cursor to resume from.
  if (named !== undefined) return ofCode(named, "The server cannot read its database at the moment. This page goes on when it can.");
  if (code === 4403) return { is: "unauthenticated", why: reason };
  return { is: "reconnecting", why: reason || "the connection was lost" };
}

function ofCode(code: string | undefined, why: string): StreamEnd {
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
export function pauseMs(is: StreamEnd["is"], failures: number): number {
  if (is === "detached") return LONGEST_PAUSE_MS;
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}

/** Waits, at most until the signal. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
