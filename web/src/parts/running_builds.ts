// The builds that run, and the step that runs in each: loaded, and kept by the changes of steps.
import { query } from "../api/query";
import type { TypedDocumentString } from "../gql/graphql";

/** The builds of an answer. */
const PAGE = 200;

interface RunningPage<Row> {
  builds: { pageInfo: { hasNextPage: boolean; endCursor: string | null }; nodes: Row[] };
}

/** Loads every running build, and the step that runs in each; both by buildid. */
export async function loadRunning<Row extends { buildid: number; currentStep: object | null }>(
  document: TypedDocumentString<RunningPage<Row>, { first: number; after?: string | null | undefined }>,
  signal: AbortSignal,
): Promise<{ builds: Map<number, Omit<Row, "currentStep">>; steps: Map<number, NonNullable<Row["currentStep"]>> }> {
  const builds = new Map<number, Omit<Row, "currentStep">>();
  const steps = new Map<number, NonNullable<Row["currentStep"]>>();
  let after: string | null = null;
  do {
    const { builds: page }: RunningPage<Row> = await query(document, { first: PAGE, after }, signal);
    for (const { currentStep, ...build } of page.nodes) {
      builds.set(build.buildid, build);
      if (currentStep != null) steps.set(build.buildid, currentStep);
    }
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
  return { builds, steps };
}

/** What is needed of a step to know whether it is the one that runs. */
interface RunningStep {
  stepid: number;
  buildid: number;
  number: number;
  complete: boolean;
}

/** Takes a change of a step over: the unfinished step of the highest number is the one that runs. */
export function applyToCurrent<Step extends Omit<RunningStep, "buildid" | "complete">>(
  current: Map<number, Step>,
  step: Step & RunningStep,
): void {
  const known = current.get(step.buildid);
  if (step.complete) {
    if (known?.stepid === step.stepid) current.delete(step.buildid);
  } else if (known === undefined || step.number >= known.number) {
    current.set(step.buildid, step);
  }
}
