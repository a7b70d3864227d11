// All builders, each with its newest builds.
import { memo } from "preact/compat";
import { useMemo } from "preact/hooks";
import { HomeBuildersDocument } from "../gql/graphql";
import { Frame } from "../parts/frame";
import { progressOf } from "../parts/progress";
import { RunningSign, Sign, resultWord } from "../parts/sign";
import { useFollowed, useSeconds } from "../parts/use_followed";
import { VirtualList } from "../parts/virtual_list";
import { buildPath, builderPath, replaceParameters } from "../router";
import { duration, exact, secondsBetween } from "../time";
import { BUILDS, type BuilderRow, type CellBuild, type Choice, type CurrentStep, HomeModel, choose, summarize } from "./home_model";

const RESULTS = ["running", "failure", "exception", "warnings", "success", "retry", "cancelled", "skipped"];

/**
 * Kept while another view is shown: whoever comes back finds the list where it was, and then what has
 * changed.
 */
const home = new HomeModel();

export function HomeView() {
  const { model, status, retry } = useFollowed(() => home, "home");
  const parameters = new URLSearchParams(location.search);
  const choice: Choice = {
    name: parameters.get("name") ?? "",
    tag: parameters.get("tag") ?? "",
    result: parameters.get("result") ?? "",
    sort: parameters.get("sort") ?? "",
  };
  const rows = choose(model.rows.values(), choice);
  const all = [...model.rows.values()];
  const tags = useMemo(() => [...new Set(all.flatMap((row) => row.tags))].sort(), [model, model.revision]);
  const running = all.filter(({ builds }) => summarize(builds).running).length;
  useSeconds(running > 0);
  return (
    <Frame title="Builders" status={status} retry={retry} ask={{ document: HomeBuildersDocument, variables: { first: 40, builds: BUILDS } }}>
      {model.total === 0 && <Empty />}
      {(model.total === undefined ? status.is === "loading" : model.total > 0) && (
        <>
          <Filters choice={choice} tags={tags} />
          <p class="small">
            <span role="status">{countText(rows.length, model)}</span>{model.total !== undefined && `, ${running} running`}
          </p>
          <div class="builders-head small" aria-hidden="true">
            <span>Builder</span>
            <span>Running step</span>
            <span>Builds, the newest on the right</span>
            <span class="builder-numbers"><span>success</span><span>median</span></span>
          </div>
          <VirtualList
            class="builders"
            rows={rows}
            keyOf={(row) => row.builderid}
            render={(row) => <BuilderLine row={row} steps={model.currentSteps} />}
          />
          {rows.length === 0 && model.rows.size === model.total && <p>No builder fits. <a href="/">Show all</a></p>}
        </>
      )}
    </Frame>
  );
}

/** Spoken when it changes, so it leaves out what changes with each build. */
function countText(shown: number, { total, rows }: HomeModel): string {
  if (total === undefined) return "Loading builders";
  const loading = rows.size < total ? `, ${total - rows.size} still to come` : "";
  const builders = total === 1 ? "builder" : "builders";
  return shown === total ? `${total} ${builders}` : `${shown} of ${total} ${builders}${loading}`;
}

function Empty() {
  return (
    <div class="advice">
      <p>There are no builders in this database yet.</p>
      <ul>
        <li>To look around with simulated builds, start <code>buildbot-graphql serve --demo</code>.</li>
        <li>
          To see your own Buildbot's, run <code>buildbot-graphql attach --database-url URL</code> on its database,
          and <code>serve</code> it.
        </li>
        <li>To write your own, use the mutations <code>findBuilder</code>, <code>addBuild</code> and <code>newStep</code>.</li>
      </ul>
      <p>They appear here as they come.</p>
    </div>
  );
}

function Filters({ choice, tags }: { choice: Choice; tags: readonly string[] }) {
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        Name
        <input type="search" value={choice.name} onInput={(event) => replaceParameters({ name: event.currentTarget.value })} />
      </label>
      <label>
        Tag
        <select value={choice.tag} onChange={(event) => replaceParameters({ tag: event.currentTarget.value })}>
          <option value="">any</option>
          {choice.tag !== "" && !tags.includes(choice.tag) && <option value={choice.tag}>{choice.tag}</option>}
          {tags.map((tag) => <option key={tag} value={tag}>{tag}</option>)}
        </select>
      </label>
      <label>
        Last result
        <select value={choice.result} onChange={(event) => replaceParameters({ result: event.currentTarget.value })}>
          <option value="">any</option>
          {RESULTS.map((result) => <option key={result} value={result}>{result}</option>)}
        </select>
      </label>
      <label>
        Order
        <select value={choice.sort} onChange={(event) => replaceParameters({ sort: event.currentTarget.value })}>
          <option value="">by name</option>
          <option value="urgent">failing, then running</option>
        </select>
      </label>
    </form>
  );
}

function BuilderLine({ row, steps }: { row: BuilderRow; steps: ReadonlyMap<number, CurrentStep> }) {
  const { medianS, successRate } = summarize(row.builds);
  const running = row.builds.find((build) => !build.complete);
  const step = running === undefined ? undefined : steps.get(running.buildid);
  return (
    <>
      <div class="builder-name">
        <a href={builderPath(row.name)} title={row.description ?? undefined}>{row.name}</a>
        <span class="tags">{row.tags.map((tag) => <Tag key={tag} tag={tag} />)}</span>
      </div>
      <div class="builder-now">{running !== undefined && <Running build={running} step={step} />}</div>
      <div class="cells">{row.builds.map((build) =>
        build.complete
          ? <Cell key={build.buildid} name={row.name} build={build} />
          : <RunningCell key={build.buildid} name={row.name} build={build} />)}
      </div>
      <div class="builder-numbers">
        <span title={`SUCCESS and WARNINGS among the last ${row.builds.length} builds`}>
          {successRate === undefined ? "" : `${Math.round(100 * successRate)}%`}
        </span>
        <span title="Half of these builds took no longer">{medianS === undefined ? "" : duration(medianS)}</span>
      </div>
    </>
  );
}

function Tag({ tag }: { tag: string }) {
  return <a class="tag" tabIndex={-1} href={`/?tag=${encodeURIComponent(tag)}`}>{tag}</a>;
}

function Running({ build, step }: { build: CellBuild; step: CurrentStep | undefined }) {
  return (
    <>
      <span class="step-name">{step?.name ?? build.stateString}</span>
      <span class="small">{duration(secondsBetween(build.startedAt, null))}</span>
    </>
  );
}

interface CellProps {
  name: string;
  build: CellBuild;
}

// A complete build does not change, and there are thousands of them.
const Cell = memo(function Cell({ name, build }: CellProps) {
  const took = build.completeAt === null ? "" : `, ${duration(secondsBetween(build.startedAt, build.completeAt))}`;
  const text = `#${build.number}: ${resultWord(build.results)}${took}`;
  return (
    <a class="cell" tabIndex={-1} href={buildPath(name, build.number)} aria-label={text} title={`${text}, ${exact(build.startedAt)}`}>
      <Sign results={build.results} />
    </a>
  );
});

function RunningCell({ name, build }: CellProps) {
  const progress = progressOf(build);
  const text = `#${build.number}: running${progress === undefined ? "" : `, ${Math.round(100 * progress)}%`}`;
  return (
    <a class="cell" tabIndex={-1} href={buildPath(name, build.number)} aria-label={text} title={`${text}, since ${exact(build.startedAt)}`}>
      <RunningSign progress={progress} />
    </a>
  );
}
