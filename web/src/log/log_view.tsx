// An open log of a step: its lines, and the state it is in.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { token } from "../api/session";
import type { PageLogFragment } from "../gql/graphql";
import { GoToLine, SearchForm } from "./log_bar";
import { Hint } from "./hint";
import { LogLines } from "./log_lines";
import { LogModel } from "./log_model";
import { LogPosition } from "./log_position";
import "./log.css";
import { LogSearch } from "./log_search";
import { RawLinks, rawPath, readRaw } from "./raw_link";

interface Props {
  log: PageLogFragment;
  /** Its address. */
  path: string;
  /** The line that the address names, from 0. */
  line: number | undefined;
  /** Whether its step ended badly. */
  hasFailed: boolean;
  /** Whether the page is the present: a log that was refused is asked for again once it is. */
  isLive: boolean;
}

/** Give it the logid as its key. */
export function LogView({ log, path, line, hasFailed, isLive }: Props) {
  const section = useRef<HTMLElement>(null);
  const { model, position, search } = useLog(log, isLive);
  useEffect(() => {
    if (line === undefined) return;
    position.toLine(line);
    const { current } = section;
    // The keys that scroll it are those of who has followed a link to it.
    if (current?.contains(document.activeElement) === false) current.querySelector<HTMLElement>(".log-lines")?.focus({ preventScroll: true });
  }, [line, position]);
  search.found = (number) => position.reveal(number);
  useEffect(() => search.grown(model.numLines), [search, model.numLines]);
  const isGone = model.status.is === "deleted";
  const isHtml = log.type === "HTML" && !isGone;
  return (
    <section class="log" ref={section} aria-label={`Log ${log.name}`} onKeyDown={(event) => onKey(event, position, search)}>
      <div class="row log-bar">
        {!isHtml && !isGone && (
          <>
            <SearchForm search={search} first={() => position.first} />
            <GoToLine path={path} numLines={model.numLines} toLine={(number) => position.toLine(number)} />
          </>
        )}
        {!isGone && <RawLinks logid={log.logid} slug={log.slug} />}
      </div>
      {hasFailed && model.status.is === "complete" && !isHtml && <Hint logid={log.logid} path={path} />}
      <State model={model} />
      {isHtml && <HtmlLog log={log} />}
      {!isHtml && !isGone && model.numLines > 0 && (
        <LogLines name={log.name} path={path} model={model} position={position} search={search} chosen={line} />
      )}
      {!isHtml && !isGone && model.numLines > 0 && (
        <p class="row small log-foot">
          {`${model.numLines.toLocaleString()} line${model.numLines === 1 ? "" : "s"}`}
          {model.status.is === "following" && position.isAtEnd && ", following the end"}
          {!position.isAtEnd && (
            <button type="button" onClick={() => position.toEnd()}>{model.status.is === "complete" ? "Go to the end" : "Follow the end"}</button>
          )}
          <span class="log-keys">
            Keys in the lines: <kbd>/</kbd> search, <kbd>n</kbd> <kbd>N</kbd> next and previous match, <kbd>g</kbd> <kbd>G</kbd> start and end.
          </span>
        </p>
      )}
    </section>
  );
}

/** Reads a log as long as the component shows it, and shows it anew at most once a frame. */
function useLog(log: PageLogFragment, isLive: boolean) {
  const [, show] = useReducer((count: number) => count + 1, 0);
  const [parts] = useState(() => ({ model: new LogModel(log), position: new LogPosition(), search: new LogSearch(log.logid) }));
  const { model, search } = parts;
  useEffect(() => {
    let frame: number | undefined;
    const schedule = () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        show(undefined);
      });
    };
    for (const part of Object.values(parts)) part.changed = schedule;
    void model.start();
    return () => {
      model.stop();
      search.stop();
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [parts]);
  useEffect(() => model.update(log), [model, log]);
  useEffect(() => {
    if (isLive) model.retry();
  }, [model, isLive]);
  return parts;
}

/** The keys of a pager. The lines themselves are scrolled by the browser. */
function onKey(event: KeyboardEvent, position: LogPosition, search: LogSearch): void {
  const isTyping = (event.target as Element).closest("input") !== null;
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  switch (event.key) {
    case "/":
      (event.currentTarget as Element).querySelector<HTMLElement>("input[type=search]")?.focus();
      break;
    case "n":
      search.next();
      break;
    case "N":
      search.previous();
      break;
    case "g":
      position.toLine(0);
      break;
    case "G":
      position.toEnd();
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** What is to be known before the lines are believed. */
function State({ model }: { model: LogModel }) {
  const { status, failure, numLines } = model;
  const again = <button type="button" onClick={() => model.retry()}>Try again</button>;
  const text = stateText(model);
  return (
    <>
      <p role="status" class={text === "" ? "spoken" : "log-state"}>{text}</p>
      {status.is === "refused" && <p class="advice" role="alert">{status.why} {again}</p>}
      {failure !== undefined && status.is !== "refused" && <p class="advice" role="alert">Some lines could not be read: {failure.why} {again}</p>}
      {numLines === 0 && status.is === "complete" && <p>This log is empty.</p>}
    </>
  );
}

function stateText({ status, numLines }: LogModel): string {
  switch (status.is) {
    case "complete":
      return "";
    case "deleted":
      return "The text of this log was deleted.";
    case "connecting":
      return numLines === 0 ? "Loading" : "";
    case "following":
      return numLines === 0 ? "Nothing has been written yet." : "";
    case "reconnecting":
      return "The connection was lost: there may be more lines than are shown.";
    case "unauthenticated":
      return "A token is needed to read on.";
    case "unavailable":
    case "detached":
      return `The log is not followed at the moment: ${status.why}`;
    case "refused":
      return "The log is not followed.";
  }
}

/** HTML that others wrote: in a frame in which nothing runs, and which is no part of this page. */
function HtmlLog({ log }: { log: PageLogFragment }) {
  const [html, setHtml] = useState<string | undefined>(undefined);
  const [failure, setFailure] = useState<string | undefined>(undefined);
  const isRead = token.get() !== null;
  useEffect(() => {
    // A frame cannot carry a token.
    if (isRead) readRaw(log.logid).then((blob) => blob.text()).then(setHtml, (error: Error) => setFailure(error.message));
  }, [log.logid, log.numLines, isRead]);
  if (failure !== undefined) return <p class="advice" role="alert">{failure}</p>;
  if (isRead && html === undefined) return <p role="status">Loading</p>;
  if (html !== undefined) return <iframe class="log-html" sandbox="" title={`Log ${log.name}`} srcdoc={html} />;
  return <iframe key={log.numLines} class="log-html" sandbox="" title={`Log ${log.name}`} src={rawPath(log.logid, "raw_inline")} />;
}
