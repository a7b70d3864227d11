// What the builder view shows: its newest builds with their steps, and what they add up to.
import { query } from "../api/query";
import {
  BuilderEventsDocument,
  type BuilderEventsSubscription,
  BuilderNumbersDocument,
  BuilderPageDocument,
  type BuilderPageQuery,
  type HistoryBuildFragment,
  type HistoryStepFragment,
  type NumbersFragment,
} from "../gql/graphql";
import type { Model } from "../parts/use_followed";

/** The builds of the heat map and the chart. */
export const BUILDS = 30;
/** The steps that are shown of each. */
const STEPS = 60;

export type BuilderEvent = BuilderEventsSubscription["events"];
export type HistoryBuild = HistoryBuildFragment;
export type HistoryStep = HistoryStepFragment;
type About = Pick<NonNullable<BuilderPageQuery["builder"]>, "name" | "description" | "tags">;

export class BuilderModel implements Model<BuilderEvent> {
  changed = (): void => {};
  found: "unknown" | "no" | "yes" = "unknown";
  about: About | undefined;
  numbers: NumbersFragment | undefined;
  /** How many builds it has had. */
  total = 0;
  /** The newest builds, by buildid. */
  builds = new Map<number, HistoryBuild>();
  /** Their steps, by buildid and stepid. */
  steps = new Map<number, Map<number, HistoryStep>>();
  private signal = new AbortController().signal;

  constructor(readonly name: string) {}

  variables() {
    return { name: this.name, builds: BUILDS, steps: STEPS };
  }

  async load(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    const { builder } = await query(BuilderPageDocument, this.variables(), signal);
    this.found = builder === null ? "no" : "yes";
    if (builder !== null) {
      this.about = builder;
      this.numbers = builder.stats;
      this.total = builder.builds.totalCount;
      this.builds = new Map();
      this.steps = new Map();
      for (const { steps, ...build } of builder.builds.nodes) {
        this.builds.set(build.buildid, build);
        this.steps.set(build.buildid, new Map(steps.map((step) => [step.stepid, step])));
      }
    }
    this.changed();
  }

  events(after: string) {
    return { document: BuilderEventsDocument, variables: { after, name: this.name } };
  }

  apply(event: BuilderEvent): void {
    switch (event.__typename) {
      case "BuilderEvent":
        this.about = event.builder;
        this.found = "yes";
        break;
      case "BuildEvent":
        this.applyBuild(event.build);
        break;
      case "StepEvent":
        this.steps.get(event.step.buildid)?.set(event.step.stepid, event.step);
        break;
    }
  }

  private applyBuild(build: HistoryBuild): void {
    if (!this.builds.has(build.buildid)) {
      const known = this.newestFirst();
      const oldest = known.at(BUILDS - 1);
      // An earlier build that changes late is in the history, which is read by itself.
      if (oldest !== undefined && oldest.number > build.number) return;
      if (build.number > (known[0]?.number ?? 0)) this.total += 1;
      if (oldest !== undefined) {
        this.builds.delete(oldest.buildid);
        this.steps.delete(oldest.buildid);
      }
      this.steps.set(build.buildid, new Map());
    }
    const ended = build.complete && this.builds.get(build.buildid)?.complete === false;
    this.builds.set(build.buildid, build);
    if (ended) void this.readNumbers();
  }

  /** The builds, the newest first. */
  newestFirst(): HistoryBuild[] {
    return [...this.builds.values()].sort((a, b) => b.number - a.number);
  }

  /** What they add up to changes when one ends. If it cannot be read, the next load reads it. */
  private async readNumbers(): Promise<void> {
    const { signal } = this;
    const { builder } = await query(BuilderNumbersDocument, { name: this.name }, signal).catch(() => ({ builder: null }));
    if (builder === null || signal.aborted) return;
    this.numbers = builder.stats;
    this.changed();
  }
}
