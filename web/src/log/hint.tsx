// Where a failed step may have gone wrong. It is a guess, and says so.
import { useEffect, useState } from "preact/hooks";
import { query } from "../api/query";
import { LogHintDocument } from "../gql/graphql";
import { ESCAPES, readAnsi } from "./ansi";
import type { Line } from "./log_model";

/** The begin of a word, or the escape sequence before it. */
const BEGIN = String.raw`(?:\b|\x1b\[[0-9;]*[A-Za-z])`;
/** What compilers, test runners and interpreters write where something goes wrong. */
const ERROR = [
  String.raw`${BEGIN}(?:error|fatal error|fatal)(?:\[\w+\])?${ESCAPES}:`,
  String.raw`\w(?:Error|Exception)\b`,
  String.raw`${BEGIN}(?:ERROR|FATAL|FAILED|FAILURE|FAIL)\b`,
  String.raw`panicked at|Traceback \(|^not ok\b|\*\*\* `,
].join("|");
/** More characters of it are not shown. */
const LONGEST = 160;

export function Hint({ logid, path }: { logid: number; path: string }) {
  const [line, setLine] = useState<Line | undefined>(undefined);
  useEffect(() => {
    const ending = new AbortController();
    query(LogHintDocument, { logid, regex: ERROR }, ending.signal).then(
      ({ log }) => setLine(log?.errors.matches[0] ?? log?.stderr.matches[0]),
      // Whoever cannot get a hint reads the log.
      () => undefined,
    );
    return () => ending.abort();
  }, [logid]);
  if (line === undefined) return null;
  const { plain } = readAnsi(line.text.slice(0, LONGEST));
  return (
    <p class="log-hint">
      This may be the first error: <a href={`${path}#L${line.number + 1}`}>line {(line.number + 1).toLocaleString()}</a> <code>{plain}</code>
    </p>
  );
}
