// How long builds took, over their numbers. The chart is loaded only where it is shown.
import { useEffect, useRef } from "preact/hooks";
import type { HistoryBuild } from "./builder_model";

interface Props {
  name: string;
  /** The newest first. */
  builds: readonly HistoryBuild[];
}

type Draw = typeof import("./draw_chart").drawChart;
let loading: Promise<Draw> | undefined;

export function DurationChart({ name, builds }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const complete = builds.filter((build) => build.durationS !== null).toReversed();
  const key = complete.map(({ buildid, durationS }) => `${buildid}:${durationS}`).join();
  useEffect(() => {
    const element = ref.current;
    if (element === null || complete.length < 2) return undefined;
    let end: (() => void) | undefined;
    let isGone = false;
    loading ??= import("./draw_chart").then(({ drawChart }) => drawChart);
    void loading.then((drawChart) => {
      if (!isGone) end = drawChart(element, name, complete);
    });
    return () => {
      isGone = true;
      end?.();
    };
  }, [key]);
  if (complete.length < 2) return null;
  return (
    <section aria-labelledby="durations">
      <h2 id="durations">Durations</h2>
      <div ref={ref} class="chart" role="img" aria-label={`The durations of the last ${complete.length} builds; the history below has them as numbers.`} />
    </section>
  );
}
