// What the view of now shows: every build that runs, and its step.
import {
  NowBuildsDocument,
  type NowBuildsQuery,
  NowEventsDocument,
  type NowEventsSubscription,
  type NowStepFragment,
} from "../gql/graphql";
import { applyToCurrent, loadRunning } from "../parts/running_builds";
import type { Model } from "../parts/use_followed";

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
    const { builds, steps } = await loadRunning(NowBuildsDocument, signal);
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
