// The lines of a log that were read, and what is written to its end.
import { type StreamEnd, classify, listen, pauseMs, wait } from "../api/stream";
import { query } from "../api/query";
import {
  type LineFragment,
  LogHeadDocument,
  LogPageDocument,
  LogTailDocument,
  type LogTailSubscription,
  type PageLogFragment,
} from "../gql/graphql";

export type Line = LineFragment;

/** What the end of the log is. Only `following` and `complete` may be taken for the present. */
export type LogStatus =
  | { is: "complete" | "deleted" | "connecting" | "following" }
  | { is: StreamEnd["is"]; why: string };

/** Lines that are read at once. */
const PAGE = 250;
/** Pages that are kept. */
const MOST_PAGES = 240;
/** Lines that are read beyond what is on screen. */
const AHEAD = 100;
/** The time between two reads while somebody scrolls, in ms. */
const BETWEEN_READS_MS = 100;
/** The time until a read that brought nothing is tried again, in ms. */
const AFTER_NOTHING_MS = 1_000;

export class LogModel {
  /** Tells its component that there is something new to show. */
  changed = (): void => {};
  status: LogStatus;
  numLines: number;
  /** Why lines on screen could not be read. */
  failure: StreamEnd | undefined;
  readonly logid: number;
  /** Lines by page, those used last at the end. A page has no holes, but may not be whole. */
  private pages = new Map<number, Line[]>();
  private reading = new Map<number, AbortController>();
  /** The lines on screen. */
  private seen = { from: 0, to: 0 };
  private nextRead = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private ending = new AbortController();
  private isStopped = false;

  constructor(log: PageLogFragment) {
    this.logid = log.logid;
    this.numLines = log.numLines;
    this.status = { is: isDeleted(log) ? "deleted" : log.complete ? "complete" : "connecting" };
  }

  /** A line, if it has been read. */
  line(number: number): Line | undefined {
    return this.pages.get(Math.floor(number / PAGE))?.[number % PAGE];
  }

  /** Follows the log's end until it is finished, or `stop` is called. */
  async start(): Promise<void> {
    this.isStopped = false;
    this.ending = new AbortController();
    const { signal } = this.ending;
    let failures = 0;
    for (let isFirst = true; !this.isOver() && !signal.aborted; isFirst = false) {
      try {
        if (!isFirst) await this.readHead(signal);
        if (this.isOver()) return;
        // The first message comes at once, also without lines.
        for await (const { logTail } of listen<LogTailSubscription>(this.tail(), signal)) {
          failures = 0;
          this.append(logTail);
        }
        if (!this.isOver() && !signal.aborted) await wait(pauseMs("reconnecting", failures++), signal);
      } catch (error) {
        if (signal.aborted) return;
        const end = classify(error);
        this.report(end);
        if (stops(end)) return;
        await wait(pauseMs(end.is, failures++), signal);
      }
    }
  }

  stop(): void {
    this.isStopped = true;
    this.ending.abort();
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const read of this.reading.values()) read.abort();
    this.reading.clear();
  }

  /** Tries again what was refused. */
  retry(): void {
    this.failure = undefined;
    if ("why" in this.status && stops(this.status)) {
      this.report({ is: "connecting" });
      void this.start();
    }
    this.want(this.seen.from, this.seen.to);
    this.changed();
  }

  /** Takes over what the feed says of the log. */
  update(log: PageLogFragment): void {
    if (isDeleted(log)) {
      this.stop();
      this.report({ is: "deleted" });
    } else if (log.complete) {
      // The last lines are read, where the tail has not brought them yet.
      this.numLines = Math.max(this.numLines, log.numLines);
      this.ending.abort();
      this.report({ is: "complete" });
    } else if (this.status.is !== "following") {
      this.numLines = Math.max(this.numLines, log.numLines);
    }
  }

  /** Sees to it that these lines are read, and those around them. */
  want(from: number, to: number): void {
    this.seen = { from, to };
    if (this.isStopped || this.failure !== undefined || this.status.is === "deleted") return;
    for (const [page, read] of this.reading) {
      if (!this.isWanted(page)) read.abort();
    }
    if (this.timer !== undefined) return;
    const pauseMs = Math.max(0, this.nextRead - performance.now());
    if (pauseMs === 0) this.readWanted();
    else {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.readWanted();
      }, pauseMs);
    }
  }

  private isWanted(page: number): boolean {
    return page * PAGE < this.seen.to + AHEAD && (page + 1) * PAGE > this.seen.from - AHEAD;
  }

  private readWanted(): void {
    const last = Math.min(this.numLines, this.seen.to + AHEAD);
    for (let page = Math.max(0, Math.floor((this.seen.from - AHEAD) / PAGE)); page * PAGE < last; page += 1) {
      const lines = this.pages.get(page) ?? [];
      const whole = Math.min(PAGE, this.numLines - page * PAGE);
      this.pages.delete(page);
      if (lines.length > 0) this.pages.set(page, lines);
      if (lines.length >= whole || this.reading.has(page)) continue;
      this.nextRead = performance.now() + BETWEEN_READS_MS;
      void this.readPage(page, lines.length);
    }
    for (const page of this.pages.keys()) {
      if (this.pages.size <= MOST_PAGES) break;
      if (!this.isWanted(page)) this.pages.delete(page);
    }
  }

  private async readPage(page: number, known: number): Promise<void> {
    const reading = new AbortController();
    this.reading.set(page, reading);
    try {
      const variables = { logid: this.logid, from: page * PAGE + known, limit: PAGE - known };
      const { log } = await query(LogPageDocument, variables, reading.signal);
      this.failures = 0;
      if (log === null || log.type === "DELETED") this.report({ is: "deleted" });
      else if (log.lines.lines.length === 0) this.nextRead = performance.now() + AFTER_NOTHING_MS;
      else this.put(log.lines.lines);
    } catch (error) {
      if (!reading.signal.aborted) this.fail(classify(error));
    } finally {
      this.reading.delete(page);
    }
    // There may be more: an answer may be shorter than was asked, or the log longer by now.
    this.want(this.seen.from, this.seen.to);
    this.changed();
  }

  private fail(end: StreamEnd): void {
    this.failure = end;
    if (stops(end)) return;
    this.failures += 1;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.retry();
    }, pauseMs(end.is, this.failures));
  }

  private tail() {
    return { document: LogTailDocument, variables: { logid: this.logid, from: this.numLines } };
  }

  private append({ lines, next, complete }: LogTailSubscription["logTail"]): void {
    this.put(lines);
    this.numLines = Math.max(this.numLines, next);
    this.report({ is: complete ? "complete" : "following" });
  }

  /** Keeps lines that go on where a page ends. Others are read when they are wanted. */
  private put(lines: readonly Line[]): void {
    for (const line of lines) {
      const page = Math.floor(line.number / PAGE);
      const known = this.pages.get(page) ?? [];
      if (known.length !== line.number % PAGE) continue;
      known.push(line);
      this.pages.set(page, known);
    }
  }

  private async readHead(signal: AbortSignal): Promise<void> {
    const { log } = await query(LogHeadDocument, { logid: this.logid }, signal);
    if (log === null || isDeleted(log)) return this.report({ is: "deleted" });
    // What was missed is read where it is looked at: whoever follows wants the end.
    this.numLines = Math.max(this.numLines, log.numLines);
    if (log.complete) this.report({ is: "complete" });
  }

  private isOver(): boolean {
    return this.status.is === "complete" || this.status.is === "deleted";
  }

  private report(status: LogStatus): void {
    this.status = status;
    if (status.is === "deleted") this.pages.clear();
    this.changed();
  }
}

/** Whether only a person can make it go on. */
function stops({ is }: StreamEnd | LogStatus): boolean {
  return is === "unauthenticated" || is === "refused";
}

function isDeleted(log: PageLogFragment): boolean {
  return log.type === "DELETED";
}
