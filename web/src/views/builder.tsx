// A builder: how its builds went, how long they took, and which step took longer than it used to.
import { BuilderPageDocument } from "../gql/graphql";
import { Frame } from "../parts/frame";
import { resultWord } from "../parts/sign";
import { useFollowed, useSeconds } from "../parts/use_followed";
import { duration } from "../time";
import { BuilderModel } from "./builder_model";
import { DurationChart } from "./duration_chart";
import { HeatMap } from "./heat_map";
import { History } from "./history";

export function BuilderView({ name }: { name: string }) {
  const { model, status, retry } = useFollowed(() => new BuilderModel(name), name);
  const builds = model.newestFirst();
  useSeconds(builds.some((build) => !build.complete));
  const trail = <><a href="/">Builders</a> / {name}</>;
  const ask = { document: BuilderPageDocument, variables: model.variables() };
  return (
    <Frame title={name} status={status} retry={retry} trail={trail} ask={ask}>
      {model.found === "no" && <p>There is no builder with the name {JSON.stringify(name)}. <a href="/">All builders</a></p>}
      {model.found === "yes" && (
        <>
          {model.about?.description && <p>{model.about.description}</p>}
          <p class="tags">{model.about?.tags.map((tag) => (
            <a key={tag} class="tag" href={`/?tag=${encodeURIComponent(tag)}`}>{tag}</a>
          ))}</p>
          <Numbers model={model} />
          <DurationChart name={name} builds={builds} />
          <HeatMap name={name} builds={builds} steps={model.steps} />
          <StepNumbers model={model} />
          <History name={name} newest={builds} total={model.total} />
        </>
      )}
    </Frame>
  );
}

function Numbers({ model: { numbers } }: { model: BuilderModel }) {
  if (numbers === undefined || numbers.builds === 0) return <p>No build has ended yet.</p>;
  const { successRate, medianDurationS, p95DurationS } = numbers;
  return (
    <dl class="numbers">
      <div>
        <dt>went well, of the last {numbers.builds}</dt>
        <dd>{successRate === null ? "–" : `${Math.round(100 * successRate)}%`}</dd>
      </div>
      <div>
        <dt>half took no longer than</dt>
        <dd>{medianDurationS === null ? "–" : duration(medianDurationS)}</dd>
      </div>
      <div>
        <dt>95 of 100 took no longer than</dt>
        <dd>{p95DurationS === null ? "–" : duration(p95DurationS)}</dd>
      </div>
      <div>
        <dt>results</dt>
        <dd class="small">{numbers.results.map(({ results, count }) => `${count} ${resultWord(results)}`).join(", ")}</dd>
      </div>
    </dl>
  );
}

function StepNumbers({ model: { numbers } }: { model: BuilderModel }) {
  if (numbers === undefined || numbers.steps.length === 0) return null;
  return (
    <section aria-labelledby="slowest">
      <h2 id="slowest">Where the time goes</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Steps by duration">
        <table>
          <thead>
            <tr>
              <th scope="col">Step</th><th scope="col">Median</th><th scope="col">95th percentile</th>
              <th scope="col">Lock wait, median</th><th scope="col">Runs</th><th scope="col">Failures</th>
            </tr>
          </thead>
          <tbody>
            {numbers.steps.map((step) => (
              <tr key={step.name}>
                <th scope="row">{step.name}</th>
                <td>{orDash(step.medianDurationS)}</td>
                <td>{orDash(step.p95DurationS)}</td>
                <td>{orDash(step.medianLockWaitS)}</td>
                <td>{step.runs}</td>
                <td>{step.failures}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function orDash(seconds: number | null): string {
  return seconds === null ? "–" : duration(seconds);
}
