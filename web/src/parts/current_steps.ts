// The step that runs in each running build, kept by the changes of steps.

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
