// Steps by builds: how long each step took beside what it usually takes.
import { resultWord } from "../parts/sign";
import { buildPath } from "../router";
import { duration, median } from "../time";
import type { HistoryBuild, HistoryStep } from "./builder_model";

interface Props {
  name: string;
  /** The newest first. */
  builds: readonly HistoryBuild[];
  steps: ReadonlyMap<number, ReadonlyMap<number, HistoryStep>>;
}

export function HeatMap({ name, builds, steps }: Props) {
  const oldestFirst = builds.toReversed();
  const rows = rowsOf(oldestFirst, steps);
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="heat">
      <h2 id="heat">Steps over builds</h2>
      <p class="small legend">
        <span class="heat-key heat-1" /> as long as usual, <span class="heat-key heat-3" /> half as long again,
        {" "}<span class="heat-key heat-4" /> twice as long or more, <span class="heat-key heat-0" /> shorter;
        {" "}✕ failed. The newest build is on the right.
      </p>
      <div class="scroll scroll-to-end" tabIndex={0} role="region" aria-label="Durations of steps by build" ref={toEnd}>
        <table class="heat">
          <thead>
            <tr>
              <th scope="col">Step</th>
              {oldestFirst.map(({ buildid, number }) => (
                <th key={buildid} scope="col"><a href={buildPath(name, number)}>{number}</a></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <th scope="row" title={row.usualS === undefined ? "" : `usually ${duration(row.usualS)}`}>{row.name}</th>
                {row.cells.map((step, index) => (
                  <HeatCell key={oldestFirst[index]?.buildid} step={step} usualS={row.usualS} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Shows the newest builds first where not all have room. */
function toEnd(element: HTMLElement | null): void {
  if (element !== null) element.scrollLeft = element.scrollWidth;
}

function HeatCell({ step, usualS }: { step: HistoryStep | undefined; usualS: number | undefined }) {
  if (step === undefined || step.results === "SKIPPED") return <td class="heat-none" />;
  const took = step.durationS;
  if (took === null) return <td class="heat-running" title={`${step.name}: ${step.stateString}`}>…</td>;
  const hasFailed = step.results === "FAILURE" || step.results === "EXCEPTION";
  const title = `${step.name}: ${resultWord(step.results)}, ${duration(took)}`;
  return (
    <td class={`heat-${heatOf(took, usualS)}`} title={title}>
      {hasFailed && <span class="heat-failed">✕</span>}
      {short(took)}
    </td>
  );
}

/** From 0, clearly shorter than usual, to 4, twice as long or more. */
export function heatOf(seconds: number, usualS: number | undefined): 0 | 1 | 2 | 3 | 4 {
  // A second more of a step of a second is no news.
  if (usualS === undefined || Math.abs(seconds - usualS) < 2) return 1;
  const ratio = seconds / Math.max(1, usualS);
  if (ratio < 0.75) return 0;
  if (ratio < 1.2) return 1;
  if (ratio < 1.5) return 2;
  return ratio < 2 ? 3 : 4;
}

function short(seconds: number): string {
  if (seconds < 100) return `${seconds}`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)}m`;
  return `${Math.round(seconds / 3_600)}h`;
}

interface Row {
  name: string;
  usualS: number | undefined;
  /** A step for each build, the oldest first. */
  cells: readonly (HistoryStep | undefined)[];
}

/** One row for each name, in the order in which steps run. */
function rowsOf(builds: readonly HistoryBuild[], steps: Props["steps"]): Row[] {
  const byBuild = builds.map(({ buildid }) => new Map([...(steps.get(buildid)?.values() ?? [])].map((step) => [step.name, step])));
  const place = new Map<string, number>();
  for (const of of byBuild) for (const { name, number } of of.values()) place.set(name, Math.max(place.get(name) ?? 0, number));
  const names = [...place.keys()].sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
  return names.map((name) => {
    const cells = byBuild.map((of) => of.get(name));
    const durations = cells.flatMap((step) => (step?.results === "SUCCESS" && step.durationS !== null ? [step.durationS] : []));
    // The first half: a step that grew slower must not be measured by what it has become.
    return { name, usualS: median(durations.slice(0, Math.max(3, Math.ceil(durations.length / 2)))), cells };
  });
}
