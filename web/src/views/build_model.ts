// What the build view shows: a build, its steps, and the last build before it that went well.
import { query } from "../api/query";
import {
  BuildPageDocument,
  BuildPageEventsDocument,
  type BuildPageEventsSubscription,
  type BuildPageQuery,
  type HistoryBuildFragment,
  type PageLogFragment,
  type PageStepFragment,
} from "../gql/graphql";
import type { Model } from "../parts/use_followed";

export type PageStep = PageStepFragment;
export type PageLog = PageLogFragment;
export type BuildEvent = BuildPageEventsSubscription["events"];
type LastSuccess = NonNullable<BuildPageQuery["builder"]>["lastSuccess"]["nodes"][number];

/** What there is at this address. */
export type Found = "unknown" | "no builder" | "no build" | "build";

export class BuildModel implements Model<BuildEvent> {
  changed = (): void => {};
  found: Found = "unknown";
  build: HistoryBuildFragment | undefined;
  steps = new Map<number, PageStep>();
  /** The logs of all steps, by logid. */
  logs = new Map<number, PageLog>();
  lastSuccess: LastSuccess | undefined;
  /** The builder's newest build. */
  newest: number | undefined;

  constructor(
    readonly name: string,
    readonly number: number,
  ) {}

  async load(signal: AbortSignal): Promise<void> {
    const { builder } = await query(BuildPageDocument, this.variables(), signal);
    if (builder === null || builder.build === null) {
      this.found = builder === null ? "no builder" : "no build";
    } else {
      const { steps, ...build } = builder.build;
      this.found = "build";
      this.build = build;
      this.steps = new Map(steps.map((step) => [step.stepid, step]));
      this.logs = new Map(steps.flatMap(({ logs }) => logs.map((log) => [log.logid, log])));
      this.lastSuccess = builder.lastSuccess.nodes[0];
      this.newest = builder.last.nodes[0]?.number;
    }
    this.changed();
  }

  /** The logs of a step, in the order in which they were added. */
  logsOf(stepid: number): PageLog[] {
    return [...this.logs.values()].filter((log) => log.stepid === stepid).sort((a, b) => a.logid - b.logid);
  }

  variables() {
    return { name: this.name, number: this.number };
  }

  events(after: string) {
    // A build that is not there has the id of none: its events never come.
    return { document: BuildPageEventsDocument, variables: { after, buildid: this.build?.buildid ?? 0 } };
  }

  apply(event: BuildEvent): void {
    if (event.__typename === "BuildEvent") this.build = event.build;
    if (event.__typename === "StepEvent") this.steps.set(event.step.stepid, event.step);
    if (event.__typename === "LogEvent") this.logs.set(event.log.logid, event.log);
  }
}

/** The span of a bar on the axis, in percent of it. */
export interface Span {
  left: number;
  width: number;
}

/** The time that the waterfall shows. */
export class Axis {
  /** @param start its left edge, @param lengthS its width in seconds, at least one */
  constructor(
    readonly start: string,
    readonly lengthS: number,
  ) {}

  /** From some seconds after the start, for some seconds. A bar is never too thin to be seen. */
  span(fromS: number, forS: number): Span {
    const left = (100 * Math.max(0, fromS)) / this.lengthS;
    return { left: Math.min(left, 99.5), width: Math.max(0.5, (100 * Math.max(0, forS)) / this.lengthS) };
  }

  /** Some five round times along the axis, in seconds. */
  ticks(): number[] {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
    const step = steps.find((s) => this.lengthS / s <= 6) ?? this.lengthS / 5;
    // The last one needs room for its text.
    return Array.from({ length: Math.floor((0.88 * this.lengthS) / step) + 1 }, (_, index) => index * step);
  }
}
