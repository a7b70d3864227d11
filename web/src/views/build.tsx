// A build: its steps on a time axis.
import { useMemo, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/session";
import { BuildPageDocument } from "../gql/graphql";
import { Frame } from "../parts/frame";
import { progressOf } from "../parts/progress";
import { RunningSign, Sign, resultWord } from "../parts/sign";
import { useFollowed, useSeconds } from "../parts/use_followed";
import { buildPath, builderPath } from "../router";
import { duration, exact, secondsBetween } from "../time";
import { Axis, BuildModel, type PageStep } from "./build_model";
import { useBuildKeys } from "./build_keys";
import { StepRow } from "./step_row";

interface Props {
  name: string;
  number: number;
  step: number | undefined;
  /** The slug of the log that is open below the step, and the line that is led to. */
  log: string | undefined;
  line: number | undefined;
}

export function BuildView({ name, number, step: chosen, log, line }: Props) {
  const { model, status, retry } = useFollowed(() => new BuildModel(name, number), `${name}/${number}`);
  const { build } = model;
  useSeconds(build !== undefined && !build.complete);
  const [showsHidden, setShowsHidden] = useState(false);
  const all = [...model.steps.values()].sort((a, b) => a.number - b.number);
  const steps = all.filter((step) => showsHidden || !step.hidden || step.number === chosen);
  useBuildKeys(steps, chosen, model);
  const trail = (
    <>
      <a href="/">Builders</a> / <a href={builderPath(name)}>{name}</a> / #{number}
    </>
  );
  const ask = { document: BuildPageDocument, variables: model.variables() };
  return (
    <Frame title={`${name} #${number}`} status={status} retry={retry} trail={trail} ask={ask}>
      {model.found === "no builder" && <p>There is no builder with the name {JSON.stringify(name)}.</p>}
      {model.found === "no build" && <p>{name} has no build {number}. <a href={builderPath(name)}>Its builds</a></p>}
      {build !== undefined && (
        <>
          <Head model={model} />
          <Waterfall model={model} steps={steps} chosen={chosen} log={log} line={line} isLive={status.is === "live"} />
          <Hidden steps={all} shows={showsHidden} set={setShowsHidden} />
        </>
      )}
    </Frame>
  );
}

function Head({ model: { name, number, build, newest, lastSuccess } }: { model: BuildModel }) {
  if (build === undefined) return null;
  const took = duration(secondsBetween(build.startedAt, build.completeAt));
  return (
    <div class="build-head">
      <p class="build-state">
        {build.complete ? <Sign results={build.results} /> : <RunningSign progress={progressOf(build)} />}
        <strong>{build.complete ? resultWord(build.results) : "running"}</strong>
        <span>{build.stateString}</span>
      </p>
      <p class="small">
        Started <time dateTime={build.startedAt} title={exact(build.startedAt)}>{exact(build.startedAt)}</time>,
        {build.complete ? " took " : " for "}{took}
        {build.locksDurationS > 0 && `, of which ${duration(build.locksDurationS)} waiting for locks`}
        {!build.complete && build.expectedCompleteAt !== null && `, ${expectation(build.expectedCompleteAt)}`}
        {lastSuccess !== undefined && lastSuccess.durationS !== null && (
          <>; <a href={buildPath(name, lastSuccess.number)}>#{lastSuccess.number}</a> was the last to go well before it, in {duration(lastSuccess.durationS)}</>
        )}.
      </p>
      <nav class="small row" aria-label="Builds">
        {number > 1 && <a href={buildPath(name, number - 1)}>← #{number - 1}</a>}
        {newest !== undefined && number < newest && <a href={buildPath(name, number + 1)}>#{number + 1} →</a>}
        {newest !== undefined && number < newest && <a href={buildPath(name, newest)}>newest</a>}
      </nav>
    </div>
  );
}

function expectation(expected: string): string {
  const left = -secondsBetween(expected, null);
  return left > 0 ? `some ${duration(left)} to go` : `${duration(-left)} longer than it should`;
}

interface WaterfallProps {
  model: BuildModel;
  steps: readonly PageStep[];
  chosen: number | undefined;
  log: string | undefined;
  line: number | undefined;
  isLive: boolean;
}

function Waterfall({ model, steps, chosen, log, line, isLive }: WaterfallProps) {
  const { build, lastSuccess, name, number } = model;
  const before = useMemo(
    () => new Map(lastSuccess?.steps.map((step) => [step.name, step])),
    [lastSuccess],
  );
  // As long as it is the same object, rows that have not changed are not drawn again.
  const known = useRef<Axis | undefined>(undefined);
  if (build === undefined) return null;
  const expectedS = build.complete || build.expectedCompleteAt === null ? 0 : secondsBetween(build.startedAt, build.expectedCompleteAt);
  const ghostEnds = steps.map(({ name: step, startedAt }) => {
    const ghost = before.get(step);
    if (ghost?.startedAt == null || ghost.completeAt === null || startedAt === null) return 0;
    return secondsBetween(build.startedAt, startedAt) + secondsBetween(ghost.startedAt, ghost.completeAt);
  });
  // Whole seconds: the bars move once a second, not with each change.
  const lengthS = Math.ceil(Math.max(1, secondsBetween(build.startedAt, build.completeAt), expectedS, ...ghostEnds));
  if (known.current?.start !== build.startedAt || known.current.lengthS !== lengthS) known.current = new Axis(build.startedAt, lengthS);
  const axis = known.current;
  return (
    <section aria-label="Steps" class="waterfall">
      <div class="axis" aria-hidden="true">
        <div class="axis-line">
          {axis.ticks().map((tick) => (
            <span key={tick} class="tick" style={{ left: `${axis.span(tick, 0).left}%` }}>{duration(tick)}</span>
          ))}
        </div>
      </div>
      <ol class="steps">
        {steps.map((step) => (
          <StepRow
            key={step.stepid}
            step={step}
            axis={axis}
            ghost={before.get(step.name)}
            path={buildPath(name, number, step.number)}
            closedPath={buildPath(name, number)}
            isChosen={step.number === chosen}
            open={step.number === chosen ? { logs: model.logsOf(step.stepid), slug: log, line, isLive } : undefined}
            now={step.complete ? 0 : Math.floor(serverNow() / 1_000)}
          />
        ))}
      </ol>
      {steps.length === 0 && <p>{build.complete ? "This build had no steps." : "No step has begun yet."}</p>}
      <p class="small legend">
        <span class="key-lock" aria-hidden="true" /> waiting for a lock{" "}
        <span class="key-ghost" aria-hidden="true" /> the same step of the last build that went well.
        {" "}Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous step, <kbd>Enter</kbd> opens it, <kbd>f</kbd> first failure, <kbd>h</kbd> previous build, <kbd>l</kbd> next build.
      </p>
    </section>
  );
}

function Hidden({ steps, shows, set }: { steps: readonly PageStep[]; shows: boolean; set: (shows: boolean) => void }) {
  const count = steps.filter((step) => step.hidden).length;
  if (count === 0) return null;
  return (
    <label class="switch">
      <input type="checkbox" checked={shows} onChange={(event) => set(event.currentTarget.checked)} />
      Show {count} hidden step{count === 1 ? "" : "s"}
    </label>
  );
}
