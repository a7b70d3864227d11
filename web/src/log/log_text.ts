// A line of a log as pieces to draw: what a terminal would colour, links, and what is searched for.
import { ESCAPES, type Look, readAnsi } from "./ansi";

/** Characters that are drawn alike. */
export interface Piece {
  text: string;
  look: Look;
  /** True for what is searched for. */
  isFound: boolean;
}

/** Pieces, and where they lead if they are a link. */
export interface Part {
  href?: string;
  pieces: Piece[];
}

/** Only what leads to a page is a link. */
const URL_IN_TEXT = /\bhttps?:\/\/[^\s<>"'`\\^{}|\x00-\x20]+/gi;
/** What ends a sentence, not an address. */
const AFTER_URL = /[.,;:!?)\]*]+$/;

/** At most this many places are marked in a line. */
const MOST_FOUND = 200;

/** The pieces of a line. `wanted` finds what is searched for. */
export function partsOf(text: string, wanted: RegExp | undefined): Part[] {
  const { plain, runs } = readAnsi(text);
  const links = [...plain.matchAll(URL_IN_TEXT)]
    .map((match) => ({ from: match.index, href: withoutEnd(match[0]) }))
    .filter(({ href }) => URL.canParse(href));
  const found = wanted === undefined ? [] : [...plain.matchAll(wanted)].slice(0, MOST_FOUND)
    .map(({ 0: { length }, index }) => ({ from: index, to: index + length }));
  const parts: Part[] = [];
  let at = 0;
  const until = (end: number, href?: string) => {
    const pieces = cut(at, end);
    if (pieces.length > 0) parts.push(href === undefined ? { pieces } : { href, pieces });
    at = end;
  };
  const cut = (from: number, to: number): Piece[] =>
    runs.flatMap((run) => {
      const edges = found.flatMap((each) => [each.from, each.to]).filter((edge) => edge > Math.max(from, run.from) && edge < Math.min(to, run.to));
      const all = [Math.max(from, run.from), ...edges, Math.min(to, run.to)];
      return all.slice(1).flatMap((end, index) => {
        const start = all[index] ?? end;
        const isFound = found.some((each) => each.from <= start && start < each.to);
        return end > start ? [{ text: plain.slice(start, end), look: run.look, isFound }] : [];
      });
    });
  for (const { from, href } of links) {
    until(from);
    until(from + href.length, href);
  }
  until(plain.length);
  return parts;
}

/** An address without what belongs to the sentence around it; a bracket that it opened is its own. */
function withoutEnd(url: string): string {
  const [end] = AFTER_URL.exec(url) ?? [""];
  const isOwn = end.startsWith(")") && url.slice(0, -end.length).lastIndexOf("(") > url.slice(0, -end.length).lastIndexOf(")");
  return url.slice(0, url.length - end.length + (isOwn ? 1 : 0));
}

/** Finds a text as it is. Regular expressions run in the server alone, where none can take long. */
export function finderOf(text: string, ignoresCase: boolean): RegExp {
  return new RegExp(escaped(text), ignoresCase ? "giu" : "gu");
}

/** A regular expression for a text between whose words colours may change; none for a single word. */
export function acrossColours(text: string): string | undefined {
  const words = text.match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_]/gu) ?? [];
  return words.length < 2 ? undefined : words.map(escaped).join(ESCAPES);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
