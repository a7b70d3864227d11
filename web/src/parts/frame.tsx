// What every view has: the way to the others, and the line that says whether it is the present.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { FeedStatus } from "../api/follow";
import { serverNow, token } from "../api/session";
import { duration } from "../time";
import { useSeconds } from "./use_followed";

const GRAPHIQL = document.querySelector<HTMLMetaElement>("meta[name=graphiql]")?.content;

interface Ask {
  document: { toString(): string };
  variables: object;
}

interface Props {
  title: string;
  status: FeedStatus;
  retry: () => void;
  /** The query of this view, for GraphiQL. */
  ask: Ask;
  /** The way to here. */
  trail?: ComponentChildren;
  children: ComponentChildren;
}

/** Whether a view was shown before this one. */
let hasLed = false;

/** A view with its head and its foot. */
export function Frame({ title, status, retry, ask, trail, children }: Props) {
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => {
    // The link that led here is gone, and the focus with it.
    if (hasLed) main.current?.focus({ preventScroll: true });
    hasLed = true;
  }, []);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="head">
        <nav aria-label="Views">
          <a href="/" aria-current={location.pathname === "/" ? "page" : undefined}>Builders</a>
          <a href="/now" aria-current={location.pathname === "/now" ? "page" : undefined}>Now</a>
        </nav>
        <StatusLine status={status} />
      </header>
      <main id="main" ref={main} tabIndex={-1} class={isPresent(status) ? "" : "is-past"}>
        {trail !== undefined && <nav class="trail" aria-label="Path">{trail}</nav>}
        <h1>{title}</h1>
        {status.is === "unauthenticated" && <AskForToken why={status.why} retry={retry} />}
        <Advice status={status} retry={retry} />
        {children}
      </main>
      <footer class="foot">
        {GRAPHIQL !== undefined && <a href={askUrl(ask)}>Ask this yourself</a>}
        <a href="/api/v2/openapi.json">REST</a>
        {token.get() !== null && (
          <button type="button" class="plain" onClick={() => (token.clear(), location.reload())}>Forget the token</button>
        )}
      </footer>
    </>
  );
}

function askUrl({ document, variables }: Ask): string {
  const query = encodeURIComponent(document.toString().trim());
  return `${GRAPHIQL}#query=${query}&variables=${encodeURIComponent(JSON.stringify(variables))}`;
}

/** Whether what is shown may be taken for the present. */
function isPresent(status: FeedStatus): boolean {
  return status.is === "live" || status.is === "loading";
}

/** An event that is older than this is said to be late, in seconds. */
const LATE_S = 3;
/** How long after a late event it is said, in ms: where nothing came since, nothing is missing. */
const SAID_MS = 5_000;

function isLate(status: FeedStatus): boolean {
  return status.is === "live" && status.behindS > LATE_S && serverNow() - status.at < SAID_MS;
}

function statusText(status: FeedStatus): string {
  switch (status.is) {
    case "loading":
      return "Loading";
    case "live":
      return isLate(status) ? `${duration(status.behindS)} behind` : "Live";
    case "behind":
      return `Catching up, ${duration(status.behindS)} behind`;
    case "reconnecting":
      return `Reconnecting, last seen ${since(status.since)} ago`;
    case "unavailable":
      return `Not live for ${since(status.since)}`;
    case "detached":
      return "Not live";
    case "unauthenticated":
      return "Not live: a token is needed";
    case "refused":
      return "Not live";
  }
}

function since(time: number): string {
  return duration((serverNow() - time) / 1_000);
}

function StatusLine({ status }: { status: FeedStatus }) {
  useSeconds(status.is === "reconnecting" || status.is === "unavailable" || isLate(status));
  // Spoken when it changes, not with each second of it.
  const is = isLate(status) ? "behind" : status.is;
  return (
    <p class={`status is-${is}`}>
      <span class="status-dot" aria-hidden="true" />
      <span aria-hidden="true">{statusText(status)}</span>
      <span class="spoken" role="status">{is}</span>
    </p>
  );
}

function Advice({ status, retry }: { status: FeedStatus; retry: () => void }) {
  switch (status.is) {
    case "detached":
      return (
        <p class="advice" role="note">
          These rows are read again every few seconds, because the database records no changes. To see changes as they
          happen, run <code>buildbot-graphql attach --database-url URL</code>.
        </p>
      );
    case "unavailable":
      return <p class="advice" role="note">{status.why}</p>;
    case "refused":
      return (
        <p class="advice" role="note">
          {status.why} <button type="button" onClick={retry}>Try again</button>
        </p>
      );
    default:
      return null;
  }
}

function AskForToken({ why, retry }: { why: string; retry: () => void }) {
  const [value, setValue] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    token.set(value.trim());
    retry();
  };
  return (
    <form class="advice" onSubmit={submit}>
      <p>{why}</p>
      <label for="token">Token</label>
      <div class="row">
        <input
          id="token"
          type="password"
          autocomplete="off"
          required
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
        <button type="submit">Use it</button>
      </div>
      <p class="small">It is kept until you close this tab. <code>buildbot-graphql token create</code> makes one.</p>
    </form>
  );
}
