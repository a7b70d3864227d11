// Everything that runs, across all builders, and what waits.
import { NowBuildsDocument } from "../gql/graphql";
import { Frame } from "../parts/frame";
import { useFollowed, useSeconds } from "../parts/use_followed";
import { buildPath, builderPath } from "../router";
import { duration, exact, secondsBetween } from "../time";
import { type NowBuild, NowModel, type NowStep } from "./now_model";
import { Progress } from "../parts/progress";
import { stageOf } from "./step_row";

export function NowView() {
  const { model, status, retry } = useFollowed(() => new NowModel(), "now");
  useSeconds(model.builds.size > 0);
  const builds = [...model.builds.values()].sort((a, b) => a.buildid - b.buildid);
  const waiting = builds.flatMap((build) => {
    const step = model.steps.get(build.buildid);
    return step !== undefined && isWaiting(step) ? [{ build, step }] : [];
  });
  return (
    <Frame title="Now" status={status} retry={retry} ask={{ document: NowBuildsDocument, variables: { first: 50 } }}>
      {waiting.length > 0 && (
        <section aria-labelledby="waiting">
          <h2 id="waiting">Waiting for a lock ({waiting.length})</h2>
          <ul class="runs">
            {waiting
              .sort((a, b) => waitS(b.step) - waitS(a.step))
              .map(({ build, step }) => (
                <li key={build.buildid} class="run is-waiting-run">
                  <RunName build={build} />
                  <span class="run-step"><StepLink build={build} step={step} /></span>
                  <span class="run-wait">for {duration(waitS(step))}</span>
                </li>
              ))}
          </ul>
        </section>
      )}
      <section aria-labelledby="running">
        <h2 id="running">Running ({builds.length})</h2>
        {model.isLoaded && builds.length === 0 && <p>Nothing runs.</p>}
        <ul class="runs">
          {builds.map((build) => <Run key={build.buildid} build={build} step={model.steps.get(build.buildid)} />)}
        </ul>
      </section>
    </Frame>
  );
}

function Run({ build, step }: { build: NowBuild; step: NowStep | undefined }) {
  return (
    <li class="run">
      <RunName build={build} />
      <span class="run-step">
        {step === undefined ? <span class="small">{build.stateString}</span> : <StepLink build={build} step={step} />}
      </span>
      <Progress build={build} />
      <time class="run-time" dateTime={build.startedAt} title={exact(build.startedAt)}>
        {duration(secondsBetween(build.startedAt, null))}
      </time>
    </li>
  );
}

function RunName({ build }: { build: NowBuild }) {
  return (
    <span class="run-name">
      <a href={builderPath(build.builder.name)}>{build.builder.name}</a>{" "}
      <a href={buildPath(build.builder.name, build.number)}>#{build.number}</a>
    </span>
  );
}

function StepLink({ build, step }: { build: NowBuild; step: NowStep }) {
  return (
    <>
      <a href={buildPath(build.builder.name, build.number, step.number)}>{step.name}</a>
      <span class="small">{isWaiting(step) ? stageOf(step) : step.stateString}</span>
    </>
  );
}

function isWaiting({ startedAt, locksAcquiredAt }: NowStep): boolean {
  return startedAt !== null && locksAcquiredAt === null;
}

function waitS({ startedAt }: NowStep): number {
  return startedAt === null ? 0 : secondsBetween(startedAt, null);
}
