// A step of a build: its bar on the time axis, and, when it is open, all that is known of it.
import { memo } from "preact/compat";
import { StepLogs } from "../log/step_logs";
import { Sign, resultClass, resultWord } from "../parts/sign";
import { duration, exact, secondsBetween } from "../time";
import type { Axis, PageLog, PageStep, Span } from "./build_model";

interface Ghost {
  startedAt: string | null;
  completeAt: string | null;
}

interface Open {
  logs: readonly PageLog[];
  slug: string | undefined;
  line: number | undefined;
  isLive: boolean;
}

interface Props {
  step: PageStep;
  axis: Axis;
  /** The same step of the last build that went well. */
  ghost: Ghost | undefined;
  path: string;
  /** The address of the build without a chosen step. */
  closedPath: string;
  isChosen: boolean;
  /** What is open below the chosen step. */
  open: Open | undefined;
  /** The second in which a step that runs is drawn, 0 for one that has ended. */
  now: number;
}

/** A build has dozens of steps, of which one or two change. */
export const StepRow = memo(function StepRow({ step, axis, ghost, path, closedPath, isChosen, open }: Props) {
  return (
    <li data-step={step.number} class={isChosen ? "step is-chosen" : "step"}>
      <a class="step-link" href={isChosen ? closedPath : path} aria-expanded={isChosen}>
        <span class="step-sign">{step.complete ? <Sign results={step.results} /> : null}</span>
        <span class="step-number">{step.number}</span>
        <span class="step-title">
          <span class="step-name">{step.name}</span>
          <span class="small step-state">{step.stateString}</span>
        </span>
        <Bars step={step} axis={axis} ghost={ghost} />
        <span class="step-time">{timeOf(step)}</span>
        <span class="spoken">{step.complete ? resultWord(step.results) : stageOf(step)}</span>
      </a>
      {isChosen && <Details step={step} />}
      {open !== undefined && <StepLogs step={step} path={path} {...open} />}
    </li>
  );
});

/** What a step does that has not ended. */
export function stageOf(step: { startedAt: string | null; locksAcquiredAt: string | null }): string {
  if (step.startedAt === null) return "not started";
  return step.locksAcquiredAt === null ? "waiting for a lock" : "running";
}

function timeOf(step: PageStep): string {
  if (step.startedAt === null) return "";
  return duration(step.durationS ?? secondsBetween(step.startedAt, step.completeAt));
}

function Bars({ step, axis, ghost }: { step: PageStep; axis: Axis; ghost: Ghost | undefined }) {
  const startS = step.startedAt === null ? undefined : secondsBetween(axis.start, step.startedAt);
  return (
    <span class="bars" aria-hidden="true">
      {step.startedAt !== null && startS !== undefined && <StepBars step={step} axis={axis} startedAt={step.startedAt} startS={startS} />}
      {ghost?.startedAt != null && ghost.completeAt !== null && startS !== undefined && (
        <span class="bar-ghost" style={percent(axis.span(startS, secondsBetween(ghost.startedAt, ghost.completeAt)))} />
      )}
    </span>
  );
}

function StepBars({ step, axis, startedAt, startS }: { step: PageStep; axis: Axis; startedAt: string; startS: number }) {
  const totalS = secondsBetween(startedAt, step.completeAt);
  const waitS = waitOf(step, startedAt, totalS);
  const runs = step.complete || step.locksAcquiredAt !== null;
  return (
    <>
      {waitS > 0 && <span class="bar is-waiting" style={percent(axis.span(startS, waitS))} />}
      {runs && (
        <span
          class={`bar ${step.complete ? resultClass(step.results) : "is-running"}`}
          style={percent(axis.span(startS + waitS, totalS - waitS))}
        />
      )}
    </>
  );
}

/** How long it waited for its locks. Earlier versions of Buildbot did not note when it had them. */
function waitOf(step: PageStep, startedAt: string, totalS: number): number {
  if (step.locksAcquiredAt !== null) return secondsBetween(startedAt, step.locksAcquiredAt);
  return step.complete ? 0 : totalS;
}

function percent({ left, width }: Span) {
  return { left: `${left}%`, width: `${Math.min(width, 100 - left)}%` };
}

function Details({ step }: { step: PageStep }) {
  const links = step.urls.map(({ name, url }) => <Link key={`${name} ${url}`} name={name} url={url} />);
  return (
    <dl class="details">
      <dt>Result</dt>
      <dd>{step.complete ? resultWord(step.results) : stageOf(step)}{step.hidden ? ", hidden" : ""}</dd>
      <dt>State</dt>
      <dd>{step.stateString}</dd>
      <dt>Started</dt>
      <dd>{step.startedAt === null ? "not yet" : exact(step.startedAt)}</dd>
      {step.lockWaitS !== null && step.lockWaitS > 0 && <><dt>Waited for locks</dt><dd>{duration(step.lockWaitS)}</dd></>}
      {step.completeAt !== null && <><dt>Ended</dt><dd>{exact(step.completeAt)}</dd></>}
      {links.length > 0 && <><dt>Links</dt><dd class="row">{links}</dd></>}
    </dl>
  );
}

/** Only what leads to a page becomes a link: anybody who may write steps may write an address. */
function Link({ name, url }: { name: string; url: string }) {
  const leads = /^https?:\/\//i.test(url);
  return leads ? <a href={url} target="_blank" rel="noreferrer">{name || url}</a> : <span>{name}: {url}</span>;
}
