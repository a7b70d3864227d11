// How far a running build is.
import { duration, secondsBetween } from "../time";

interface Run {
  startedAt: string;
  expectedCompleteAt: string | null;
}

/** How far a running build is, 0 to 1; undefined where nobody can tell. */
export function progressOf({ startedAt, expectedCompleteAt }: Run): number | undefined {
  if (expectedCompleteAt === null) return undefined;
  const whole = secondsBetween(startedAt, expectedCompleteAt);
  return whole <= 0 ? 1 : Math.min(1, Math.max(0, secondsBetween(startedAt, null) / whole));
}

/** A bar that fills up to the time at which the build should be complete. */
export function Progress({ build }: { build: Run }) {
  const progress = progressOf(build);
  if (progress === undefined || build.expectedCompleteAt === null) return <span class="progress is-unknown">no estimate</span>;
  const leftS = -secondsBetween(build.expectedCompleteAt, null);
  const text = leftS >= 0 ? `${duration(leftS)} to go` : `${duration(-leftS)} over`;
  return (
    <span class={leftS >= 0 ? "progress" : "progress is-over"}>
      <progress max={1} value={progress} aria-label={text} />
      <span class="small" aria-hidden="true">{text}</span>
    </span>
  );
}
