// The logs of an open step: their list, and the one that is shown.
import { logPath } from "../router";
import type { PageLog, PageStep } from "../views/build_model";
import { LogView } from "./log_view";

interface Props {
  step: PageStep;
  /** The step's address. */
  path: string;
  logs: readonly PageLog[];
  /** The log that the address names; without one the first is shown. */
  slug: string | undefined;
  line: number | undefined;
  isLive: boolean;
}

export function StepLogs({ step, path, logs, slug, line, isLive }: Props) {
  const shown = slug === undefined ? logs[0] : logs.find((log) => log.slug === slug);
  if (shown === undefined && slug === undefined) return null;
  const hasFailed = step.results === "FAILURE" || step.results === "EXCEPTION";
  return (
    <div class="step-logs">
      <nav aria-label={`Logs of ${step.name}`}>
        <ul class="row log-list">
          {logs.map((log) => (
            <li key={log.logid}>
              <a href={logPath(path, log.slug)} aria-current={log === shown ? "page" : undefined}>{log.name}</a>{" "}
              <span class="small">{stateOf(log)}</span>
            </li>
          ))}
        </ul>
      </nav>
      {shown === undefined && <p>The step {step.name} has no log {JSON.stringify(slug)}.</p>}
      {shown !== undefined && (
        <LogView key={shown.logid} log={shown} path={logPath(path, shown.slug)} line={line} hasFailed={hasFailed} isLive={isLive} />
      )}
    </div>
  );
}

function stateOf({ type, complete, numLines }: PageLog): string {
  if (type === "DELETED") return "deleted";
  const lines = `${numLines.toLocaleString()} line${numLines === 1 ? "" : "s"}`;
  return complete ? lines : `${lines}, being written`;
}
