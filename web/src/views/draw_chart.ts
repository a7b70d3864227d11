// Draws the chart of durations, with uPlot.
import uPlot from "uplot";
import { resultClass } from "../parts/sign";
import { buildPath, navigate } from "../router";
import { duration } from "../time";
import type { HistoryBuild } from "./builder_model";

const HEIGHT = 180;
const POINT = 4;
/** The distances of the numbers at the axis: there is no build between two. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100];

/** The distances of the times at the axis, in seconds. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];

/** Draws the builds, the oldest first. Returns what removes the chart again. */
export function drawChart(element: HTMLElement, name: string, builds: readonly HistoryBuild[]): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chart: uPlot | undefined;
  const draw = () => {
    chart?.destroy();
    chart = new uPlot(options(element, name, builds), dataOf(builds), element);
  };
  const resized = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height: HEIGHT }));
  draw();
  resized.observe(element);
  // Its colours are read when it is drawn.
  dark.addEventListener("change", draw);
  return () => {
    resized.disconnect();
    dark.removeEventListener("change", draw);
    chart?.destroy();
  };
}

function dataOf(builds: readonly HistoryBuild[]): uPlot.AlignedData {
  return [builds.map(({ number }) => number), builds.map(({ durationS }) => durationS)];
}

function options(element: HTMLElement, name: string, builds: readonly HistoryBuild[]): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (property: string) => style.getPropertyValue(property).trim();
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, size: 30, grid: { show: false }, incrs: WHOLE, values: (_, ticks) => ticks.map((tick) => `#${tick}`) },
      { ...axis, size: 64, incrs: SECONDS, values: (_, ticks) => ticks.map((tick) => duration(tick)) },
    ],
    series: [
      {},
      {
        stroke: color("--line-strong"),
        width: 1,
        points: { show: (u) => (drawPoints(u, builds, color), false) },
      },
    ],
    hooks: {
      ready: [(u) => u.over.addEventListener("click", () => openBuild(name, builds[u.cursor.idx ?? -1]))],
    },
  };
}

function openBuild(name: string, build: HistoryBuild | undefined): void {
  if (build !== undefined) navigate(buildPath(name, build.number));
}

/** Each build as a point in the colour of its result; those that did not go well are squares. */
function drawPoints(u: uPlot, builds: readonly HistoryBuild[], color: (property: string) => string): void {
  const size = POINT * devicePixelRatio;
  for (const { number, durationS, results } of builds) {
    if (durationS === null) continue;
    const x = u.valToPos(number, "x", true);
    const y = u.valToPos(durationS, "y", true);
    u.ctx.fillStyle = color(`--${resultClass(results)}`);
    u.ctx.beginPath();
    if (results === "SUCCESS") u.ctx.arc(x, y, size, 0, 2 * Math.PI);
    else u.ctx.rect(x - size, y - size, 2 * size, 2 * size);
    u.ctx.fill();
  }
}
