// The page's one WebSocket.
import { type Client, createClient } from "graphql-ws";
import { token } from "./session";

/** Time between two pings, in ms, and until a missing answer counts as a lost connection. */
const PING_MS = 3_000;
const PONG_MS = 3_000;
/** How long the socket waits without a subscription, in ms: the next view takes it over. */
const IDLE_MS = 5_000;

function url(): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/graphql`;
}

function open(): Client {
  let unanswered: ReturnType<typeof setTimeout> | undefined;
  return createClient({
    url: url(),
    connectionParams: () => {
      const known = token.get();
      return known === null ? {} : { Authorization: `Bearer ${known}` };
    },
    // `follow` retries, because only it knows where to go on.
    retryAttempts: 0,
    lazyCloseTimeout: IDLE_MS,
    keepAlive: PING_MS,
    on: {
      ping: (isReceived) => {
        if (isReceived) return;
        clearTimeout(unanswered);
        // A server that is paused, or behind a dead link, keeps its socket open without a word. Nor
        // would it answer a close.
        unanswered = setTimeout(forgetConnection, PONG_MS);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(unanswered);
      },
      closed: () => clearTimeout(unanswered),
    },
  });
}

let client: Client | undefined;

/** The client of this tab. */
export function socketClient(): Client {
  client ??= open();
  return client;
}

/** Ends the connection at once, without waiting for the server. */
export function forgetConnection(): void {
  client?.terminate();
}
