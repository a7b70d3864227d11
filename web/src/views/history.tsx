// The builds of a builder as a table, a page at a time.
import { useEffect, useState } from "preact/hooks";
import { query } from "../api/query";
import { BuilderHistoryDocument } from "../gql/graphql";
import { Sign, resultWord } from "../parts/sign";
import { buildPath, replaceParameters } from "../router";
import { ago, duration, exact, secondsBetween } from "../time";
import { BUILDS, type HistoryBuild } from "./builder_model";

interface Props {
  name: string;
  /** The newest builds, which are kept up to date. */
  newest: readonly HistoryBuild[];
  total: number;
}

export function History({ name, newest, total }: Props) {
  const before = Number(new URLSearchParams(location.search).get("before") ?? "0");
  const older = useOlder(name, before);
  const builds = before === 0 ? newest : older.builds;
  const last = builds.at(-1);
  const hasMore = before === 0 ? total > newest.length : older.hasMore;
  return (
    <section aria-labelledby="history">
      <h2 id="history">History ({total})</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Builds">
        <table>
          <thead>
            <tr>
              <th scope="col">Build</th><th scope="col">Result</th><th scope="col">State</th>
              <th scope="col">Started</th><th scope="col">Duration</th><th scope="col">Lock wait</th>
            </tr>
          </thead>
          <tbody>{builds.map((build) => <HistoryRow key={build.buildid} name={name} build={build} />)}</tbody>
        </table>
      </div>
      {older.error !== undefined && <p class="advice" role="alert">{older.error}</p>}
      <p class="row">
        {before !== 0 && <button type="button" onClick={() => replaceParameters({ before: "" })}>Newest</button>}
        {hasMore && last !== undefined && (
          <button type="button" onClick={() => replaceParameters({ before: `${last.number}` })}>Older</button>
        )}
      </p>
    </section>
  );
}

function HistoryRow({ name, build }: { name: string; build: HistoryBuild }) {
  return (
    <tr>
      <th scope="row"><a href={buildPath(name, build.number)}>#{build.number}</a></th>
      <td class="result">
        {build.complete ? <><Sign results={build.results} /> {resultWord(build.results)}</> : "running"}
      </td>
      <td>{build.stateString}</td>
      <td><time dateTime={build.startedAt} title={exact(build.startedAt)}>{ago(build.startedAt)}</time></td>
      <td>{duration(secondsBetween(build.startedAt, build.completeAt))}</td>
      <td>{build.locksDurationS > 0 ? duration(build.locksDurationS) : ""}</td>
    </tr>
  );
}

interface Older {
  builds: readonly HistoryBuild[];
  hasMore: boolean;
  error?: string;
}

const NONE: Older = { builds: [], hasMore: false };

/** The builds before this number; none for 0. */
function useOlder(name: string, before: number): Older {
  const [older, setOlder] = useState<Older>(NONE);
  useEffect(() => {
    setOlder(NONE);
    if (before === 0) return undefined;
    const ending = new AbortController();
    const variables = { name, first: BUILDS, where: { number: { lt: before } } };
    query(BuilderHistoryDocument, variables, ending.signal).then(
      ({ builder }) => setOlder({ builds: builder?.builds.nodes ?? [], hasMore: builder?.builds.pageInfo.hasNextPage ?? false }),
      (error: Error) => ending.signal.aborted || setOlder({ ...NONE, error: error.message }),
    );
    return () => ending.abort();
  }, [name, before]);
  return older;
}
