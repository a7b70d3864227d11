// What the view of now shows: every build that runs, and its step.
import { query } from "../api/query";
import {
  NowBuildsDocument,
  type NowBuildsQuery,
  NowEventsDocument,
  type NowEventsSubscription,
  type NowStepFragment,
} from "../gql/graphql";
import { applyToCurrent } from "../parts/current_steps";
import type { Model } from "../parts/use_followed";

const PAGE = 200;

export type NowEvent = NowEventsSubscription["events"];
export type NowStep = NowStepFragment;
export type NowBuild = Omit<NowBuildsQuery["builds"]["nodes"][number], "currentStep">;

export class NowModel implements Model<NowEvent> {
  changed = (): void => {};
  isLoaded = false;
  /** The running builds, by buildid. */
  builds = new Map<number, NowBuild>();
  /** The step that runs or waits in each, by buildid. */
  steps = new Map<number, NowStep>();

  async load(signal: AbortSignal): Promise<void> {
    const builds = new Map<number, NowBuild>();
    const steps = new Map<number, NowStep>();
    let after: string | null = null;
    do {
      const { builds: page }: NowBuildsQuery = await query(NowBuildsDocument, { first: PAGE, after }, signal);
      for (const { currentStep, ...build } of page.nodes) {
        builds.set(build.buildid, build);
        if (currentStep !== null) steps.set(build.buildid, currentStep);
      }
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    [this.builds, this.steps, this.isLoaded] = [builds, steps, true];
    this.changed();
  }

  events(after: string) {
    return { document: NowEventsDocument, variables: { after } };
  }

  apply(event: NowEvent): void {
    if (event.__typename === "BuildEvent") this.applyBuild(event.build);
    if (event.__typename === "StepEvent" && this.builds.has(event.step.buildid)) applyToCurrent(this.steps, event.step);
  }

  private applyBuild(build: NowBuild): void {
    if (build.complete) {
      this.builds.delete(build.buildid);
      this.steps.delete(build.buildid);
    } else {
      this.builds.set(build.buildid, build);
    }
  }
}
