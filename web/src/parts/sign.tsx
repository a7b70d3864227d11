// How a build or step ended, as a shape and a colour: neither is the only sign.
import type { Results } from "../gql/graphql";

interface Look {
  word: string;
  shape: string;
  mark: string;
}

const LOOKS: Record<Results, Look> = {
  SUCCESS: { word: "success", shape: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z", mark: "M4.7 8.3l2.3 2.3 4.3-4.8" },
  WARNINGS: { word: "warnings", shape: "M8 .8l7.6 13.9H.4z", mark: "M8 5.6v4.2M8 11.9v.6" },
  FAILURE: { word: "failure", shape: "M1.5 1.5h13v13h-13z", mark: "M5 5l6 6M11 5l-6 6" },
  SKIPPED: { word: "skipped", shape: "M3 6.5h10v3H3z", mark: "" },
  EXCEPTION: { word: "exception", shape: "M8 .3L15.7 8 8 15.7.3 8z", mark: "M8 4.4v4.4M8 11v.6" },
  RETRY: { word: "retry", shape: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z", mark: "M11.2 6.6a3.5 3.5 0 1 0 .1 2.6M11.5 4v2.8H8.7" },
  CANCELLED: { word: "cancelled", shape: "M5 1h6l4 4v6l-4 4H5l-4-4V5z", mark: "M4.5 8h7" },
};

/** The word for a result; builds may have none that this page knows. */
export function resultWord(results: Results | null): string {
  return results === null ? "no result" : LOOKS[results].word;
}

/** The class that gives a result its colour. */
export function resultClass(results: Results | null): string {
  return `is-${resultWord(results).replace(" ", "-")}`;
}

/** The sign of a complete build or step. */
export function Sign({ results }: { results: Results | null }) {
  const look = results === null ? undefined : LOOKS[results];
  return (
    <svg class={`sign ${resultClass(results)}`} viewBox="0 0 16 16" aria-hidden="true">
      <path class="sign-shape" d={look?.shape ?? "M3 3h10v10H3z"} />
      <path class="sign-mark" d={look?.mark ?? ""} />
    </svg>
  );
}

/** The sign of a running build, which fills up from below as far as it is. */
export function RunningSign({ progress }: { progress: number | undefined }) {
  const height = 12 * (progress ?? 0);
  return (
    <svg class="sign is-running" viewBox="0 0 16 16" aria-hidden="true">
      <rect class="sign-frame" x="1" y="1" width="14" height="14" rx="3" />
      <rect class="sign-fill" x="2" y={14 - height} width="12" height={height} rx="2" />
      {progress === undefined && <path class="sign-mark" d="M4.5 8h.1M8 8h.1M11.5 8h.1" />}
    </svg>
  );
}
