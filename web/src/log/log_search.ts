// A search over a whole log, by the server: where the matches are, as far as is known.
import { query } from "../api/query";
import { classify } from "../api/stream";
import { LogSearchDocument } from "../gql/graphql";
import { acrossColours, finderOf } from "./log_text";

/** What is searched for. */
export interface Wanted {
  text: string;
  isRegex: boolean;
  ignoresCase: boolean;
}

/** Matches that are asked for at once: few at first, since few are the rule. */
const FIRST_PAGE = 100;
const LARGEST_PAGE = 2_500;
/** Matches after which the search waits until somebody wants the next one. */
const ENOUGH = 10_000;
/** How long after lines were added they are searched, in ms. */
const AFTER_GROWTH_MS = 1_000;

export class LogSearch {
  /** Tells its component that there is something new to show. */
  changed = (): void => {};
  /** Leads to a line. */
  found = (_line: number): void => {};
  wanted: Wanted | undefined;
  /** The numbers of the lines that match, in order. */
  matches: number[] = [];
  /** Every line before this one has been searched. */
  searchedTo = 0;
  isRunning = false;
  failure: string | undefined;
  /** Which of the matches was led to. */
  current: number | undefined;
  private enough = ENOUGH;
  private numLines = 0;
  /** Leads to the first match from this line on, once it is known. */
  private seeks: number | undefined;
  private ending = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly logid: number) {}

  /** Begins anew, and leads to the first match from a line on. */
  search(wanted: Wanted, from: number): void {
    this.stop();
    this.ending = new AbortController();
    [this.wanted, this.matches, this.searchedTo, this.current] = [wanted, [], 0, undefined];
    [this.failure, this.enough, this.seeks] = [undefined, ENOUGH, from];
    void this.goOn();
  }

  /** Forgets the search. */
  clear(): void {
    this.stop();
    [this.wanted, this.matches, this.current, this.failure] = [undefined, [], undefined, undefined];
    this.changed();
  }

  stop(): void {
    this.ending.abort();
    clearTimeout(this.timer);
    this.timer = undefined;
    this.isRunning = false;
  }

  /** Leads to the next match, from the last one to the first. */
  next(): void {
    const next = this.current === undefined ? 0 : this.current + 1;
    if (next < this.matches.length) return this.lead(next);
    if (this.searchedTo >= this.numLines) return this.lead(0);
    this.seeks = (this.matches.at(-1) ?? -1) + 1;
    this.enough = this.matches.length + ENOUGH;
    void this.goOn();
  }

  /** Leads to the match before, from the first one to the last that is known. */
  previous(): void {
    this.lead((this.current ?? 0) === 0 ? this.matches.length - 1 : (this.current ?? 0) - 1);
  }

  /** Says how long the log is now. What was added is searched too. */
  grown(numLines: number): void {
    this.numLines = numLines;
    const isIdle = this.wanted !== undefined && !this.isRunning && this.failure === undefined;
    if (!isIdle || this.searchedTo >= numLines || this.matches.length >= this.enough) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.goOn();
    }, AFTER_GROWTH_MS);
  }

  /** Whether the whole log has been searched. */
  get isWhole(): boolean {
    return !this.isRunning && this.searchedTo >= this.numLines;
  }

  /** Marks what is searched for within a line; undefined where only the server can tell. */
  get finder(): RegExp | undefined {
    return this.wanted === undefined || this.wanted.isRegex ? undefined : finderOf(this.wanted.text, this.wanted.ignoresCase);
  }

  /** Whether a line is among the matches that are known. */
  isMatch(line: number): boolean {
    let [low, high] = [0, this.matches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.matches[middle] ?? 0) < line) low = middle + 1;
      else high = middle;
    }
    return this.matches[low] === line;
  }

  private async goOn(): Promise<void> {
    if (this.wanted === undefined || this.isRunning) return;
    const { text, isRegex, ignoresCase } = this.wanted;
    const regex = isRegex ? text : acrossColours(text);
    const wanted = regex === undefined ? { text } : { regex };
    const what = { logid: this.logid, ...wanted, ignoreCase: ignoresCase };
    const { signal } = this.ending;
    [this.isRunning, this.failure] = [true, undefined];
    this.changed();
    try {
      let isMore = true;
      let limit = FIRST_PAGE;
      while (isMore && (this.matches.length < this.enough || this.seeks !== undefined)) {
        const { log } = await query(LogSearchDocument, { ...what, from: this.searchedTo, limit }, signal);
        limit = Math.min(5 * limit, LARGEST_PAGE);
        if (log === null) throw new Error("the log is gone");
        const { matches, next, searchedLines } = log.search;
        for (const { number } of matches) this.matches.push(number);
        const to = next ?? this.searchedTo + searchedLines;
        isMore = next !== null && to > this.searchedTo;
        this.searchedTo = to;
        this.seek(!isMore);
        this.changed();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.failure = error instanceof Error ? error.message : classify(error).why;
    }
    this.isRunning = false;
    this.changed();
  }

  private seek(isLast: boolean): void {
    const { seeks } = this;
    if (seeks === undefined) return;
    const place = this.matches.findIndex((line) => line >= seeks);
    if (place >= 0) this.lead(place);
    else if (isLast) this.lead(0);
  }

  private lead(place: number): void {
    const line = this.matches[place];
    if (line === undefined) return;
    [this.current, this.seeks] = [place, undefined];
    this.found(line);
    this.changed();
  }
}
