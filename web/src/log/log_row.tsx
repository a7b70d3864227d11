// A line of a log. Its text was written by others: it is only ever text.
import { memo } from "preact/compat";
import type { LogStream } from "../gql/graphql";
import type { Look } from "./ansi";
import { type Piece, partsOf } from "./log_text";
import type { Line } from "./log_model";

/** More characters of one line are not shown: Buildbot itself cuts lines at 4,096. */
const LONGEST = 5_000;

/** How the lines of a stream are marked, beside their colour. */
const STREAMS: Record<LogStream, { sign: string; word: string }> = {
  STDOUT: { sign: "", word: "" },
  STDERR: { sign: "E", word: "stderr: " },
  HEADER: { sign: "H", word: "header: " },
};

interface Props {
  number: number;
  /** Undefined until it is read. */
  line: Line | undefined;
  /** How many lines there are; undefined while they get more. */
  total: number | undefined;
  /** The address of the log. */
  path: string;
  isChosen: boolean;
  isMatch: boolean;
  isCurrent: boolean;
  /** False for a line beyond the screen: the keyboard must find its way out of a long log. */
  isReached: boolean;
  /** Finds what is searched for within the line. */
  finder: RegExp | undefined;
}

/** Dozens of lines are on screen, of which few change. */
export const LogRow = memo(function LogRow({ number, line, total, path, isChosen, isMatch, isCurrent, isReached, finder }: Props) {
  const { sign, word } = STREAMS[line?.stream ?? "STDOUT"];
  const name = ["log-row", `is-${(line?.stream ?? "unread").toLowerCase()}`];
  if (isMatch) name.push("is-match");
  if (isCurrent) name.push("is-current");
  if (isChosen) name.push("is-chosen-line");
  return (
    <li class={name.join(" ")} aria-posinset={number + 1} aria-setsize={total ?? -1} aria-current={isChosen ? "location" : undefined}>
      <a class="log-number" href={`${path}#L${number + 1}`} tabIndex={-1} aria-label={`Line ${number + 1}`}>{number + 1}</a>
      <span class="log-stream" aria-hidden="true" title={word.slice(0, -2) || undefined}>{sign}</span>
      {word !== "" && <span class="spoken">{word}</span>}
      {line === undefined ? <span class="small">…</span> : <LineText text={line.text} finder={isMatch ? finder : undefined} isReached={isReached} />}
    </li>
  );
});

function LineText({ text, finder, isReached }: { text: string; finder: RegExp | undefined; isReached: boolean }) {
  const hidden = text.length - LONGEST;
  return (
    <span class="log-text">
      {partsOf(text.slice(0, LONGEST), finder).map(({ href, pieces }, index) =>
        href === undefined
          ? pieces.map(drawn)
          : <a key={index} href={href} target="_blank" rel="noreferrer" tabIndex={isReached ? 0 : -1}>{pieces.map(drawn)}</a>,
      )}
      {hidden > 0 && <em class="small"> … {hidden.toLocaleString()} more characters: see the raw log</em>}
    </span>
  );
}

function drawn({ text, look, isFound }: Piece, index: number) {
  const style = styleOf(look);
  if (isFound) return <mark key={index} class="log-found">{text}</mark>;
  return style === undefined ? text : <span key={index} style={style}>{text}</span>;
}

/** Colours of the page, each of which can be read on its ground, and its ground on each. */
function styleOf(look: Look): Record<string, string> | undefined {
  const style: Record<string, string> = {};
  const ground = look.isInverse ? look.color ?? 15 : look.ground;
  if (ground !== undefined) {
    style["background"] = `var(--ansi-${ground})`;
    style["color"] = "var(--ground)";
  } else if (look.color !== undefined && !look.isInverse) {
    style["color"] = `var(--ansi-${look.color})`;
  } else if (look.isDim) {
    style["color"] = "var(--muted)";
  }
  if (look.isBold) style["fontWeight"] = "700";
  if (look.isItalic) style["fontStyle"] = "italic";
  if (look.isUnderlined) style["textDecoration"] = "underline";
  return Object.keys(style).length === 0 ? undefined : style;
}
