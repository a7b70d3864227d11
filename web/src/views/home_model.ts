// What the home view shows: every builder with its newest builds.
import {
  type CellBuildFragment,
  HomeBuildersDocument,
  type HomeBuildersQuery,
  HomeEventsDocument,
  type HomeEventsSubscription,
  HomeRunningDocument,
  type Results,
} from "../gql/graphql";
import { query } from "../api/query";
import { applyToCurrent, loadRunning } from "../parts/running_builds";
import type { Model } from "../parts/use_followed";
import { median } from "../time";

/** How many builds of a builder are shown. */
export const BUILDS = 20;
/** The builders of the first answer, so that something is on screen at once, and of each other. */
const FIRST_PAGE = 40;
const PAGE = 200;

type Loaded = HomeBuildersQuery["builders"]["nodes"][number];
export type HomeEvent = HomeEventsSubscription["events"];
/** A step that runs. */
export interface CurrentStep {
  stepid: number;
  number: number;
  name: string;
}
export type CellBuild = CellBuildFragment;

/** A builder and its newest builds, the newest first. */
export interface BuilderRow {
  builderid: number;
  name: string;
  tags: readonly string[];
  description: string | null;
  builds: CellBuild[];
}

export class HomeModel implements Model<HomeEvent> {
  changed = (): void => {};
  rows = new Map<number, BuilderRow>();
  /** The step that runs in each running build, by buildid. */
  currentSteps = new Map<number, CurrentStep>();
  /** Grows when a builder changes; its builds do not count. */
  revision = 0;
  /** How many builders there are; undefined before the first answer. */
  total: number | undefined;

  async load(signal: AbortSignal): Promise<void> {
    const isFirst = this.total === undefined;
    const rows = new Map<number, BuilderRow>();
    // The first time, builders are shown as they come; later, what is there stays until all have come.
    if (isFirst) this.rows = rows;
    // By themselves: to ask for what only they have with each build of each builder would cost three times as many
    // points, and a page of a thousand builders a third of what a caller has.
    const loading = loadRunning(HomeRunningDocument, signal);
    let after: string | null = null;
    let first = FIRST_PAGE;
    for (;;) {
      const page: Promise<HomeBuildersQuery> = query(HomeBuildersDocument, { first, after, builds: BUILDS }, signal);
      const [{ builders }, running] = await Promise.all([page, loading]);
      for (const builder of builders.nodes) rows.set(builder.builderid, rowOf(builder, running.builds));
      if (isFirst) {
        this.currentSteps = running.steps;
        this.total = builders.totalCount;
        this.revision += 1;
        this.changed();
      }
      if (!builders.pageInfo.hasNextPage) break;
      after = builders.pageInfo.endCursor;
      first = PAGE;
    }
    [this.rows, this.currentSteps, this.total] = [rows, (await loading).steps, rows.size];
    this.revision += 1;
    this.changed();
  }

  events(after: string) {
    return { document: HomeEventsDocument, variables: { after } };
  }

  apply(event: HomeEvent): void {
    switch (event.__typename) {
      case "BuilderEvent":
        this.applyBuilder(event.builder);
        break;
      case "BuildEvent":
        this.applyBuild(event.build);
        break;
      case "StepEvent":
        applyToCurrent(this.currentSteps, event.step);
        break;
    }
  }

  private applyBuilder(builder: Omit<BuilderRow, "builds">): void {
    const builds = this.rows.get(builder.builderid)?.builds ?? [];
    this.rows.set(builder.builderid, { ...builder, builds });
    this.total = this.rows.size;
    this.revision += 1;
  }

  private applyBuild(build: CellBuild): void {
    const row = this.rows.get(build.builderid);
    if (row === undefined) return;
    const others = row.builds.filter(({ buildid }) => buildid !== build.buildid);
    // A new array, so that only the rows with new builds are drawn again.
    const builds = [build, ...others].sort((a, b) => b.number - a.number).slice(0, BUILDS);
    this.rows.set(row.builderid, { ...row, builds });
    if (build.complete) this.currentSteps.delete(build.buildid);
  }
}

function rowOf({ builds, ...builder }: Loaded, running: ReadonlyMap<number, CellBuild>): BuilderRow {
  const { builderid } = builder;
  const cells = builds.nodes.map(
    (build) => running.get(build.buildid) ?? { ...build, builderid, stateString: "", expectedCompleteAt: null },
  );
  return { ...builder, builds: cells };
}

/** What a row's builds add up to. */
export interface Summary {
  running: boolean;
  /** The result of the newest complete build. */
  results: Results | null | undefined;
  /** SUCCESS and WARNINGS over all, 0 to 1. */
  successRate: number | undefined;
  medianS: number | undefined;
}

/** A row's builds are replaced when one changes, so what they add up to stays. */
const summaries = new WeakMap<readonly CellBuild[], Summary>();

/** Adds up a row's builds. */
export function summarize(builds: readonly CellBuild[]): Summary {
  const known = summaries.get(builds);
  if (known !== undefined) return known;
  const summary = addUp(builds);
  summaries.set(builds, summary);
  return summary;
}

function addUp(builds: readonly CellBuild[]): Summary {
  const complete = builds.filter((build) => build.complete);
  const good = complete.filter(({ results }) => results === "SUCCESS" || results === "WARNINGS");
  const durations = complete.flatMap(({ startedAt, completeAt }) =>
    completeAt === null ? [] : (Date.parse(completeAt) - Date.parse(startedAt)) / 1_000,
  );
  return {
    running: complete.length < builds.length,
    results: complete[0]?.results,
    successRate: complete.length === 0 ? undefined : good.length / complete.length,
    medianS: median(durations),
  };
}

/** Which rows are shown, and in which order: the parameters of the address. */
export interface Choice {
  name: string;
  tag: string;
  /** A result of the newest complete build, or `running`. */
  result: string;
  sort: string;
}

/** The rows of this choice. */
export function choose(rows: Iterable<BuilderRow>, choice: Choice): BuilderRow[] {
  const name = choice.name.toLowerCase();
  const fits = (row: BuilderRow) =>
    (name === "" || row.name.toLowerCase().includes(name)) &&
    (choice.tag === "" || row.tags.includes(choice.tag)) &&
    (choice.result === "" || hasResult(row, choice.result));
  const chosen = [...rows].filter(fits);
  const byName = (a: BuilderRow, b: BuilderRow) => (a.name < b.name ? -1 : 1);
  if (choice.sort !== "urgent") return chosen.sort(byName);
  const urgency = new Map(chosen.map((row) => [row.builderid, urgencyOf(row)]));
  const of = ({ builderid }: BuilderRow) => urgency.get(builderid) ?? 0;
  return chosen.sort((a, b) => of(b) - of(a) || byName(a, b));
}

function hasResult(row: BuilderRow, result: string): boolean {
  const { running, results } = summarize(row.builds);
  return result === "running" ? running : results === result.toUpperCase();
}

/** Failing builders first, then running ones. */
function urgencyOf(row: BuilderRow): number {
  const { running, results } = summarize(row.builds);
  const fails = results === "FAILURE" || results === "EXCEPTION";
  return (fails ? 2 : 0) + (running ? 1 : 0);
}
