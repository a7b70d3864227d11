// What can be done with a log: search, go to a line, read it raw.
import { useState } from "preact/hooks";
import { navigate } from "../router";
import type { LogSearch, Wanted } from "./log_search";

interface SearchProps {
  search: LogSearch;
  /** The first line on screen: the search leads to the next match from here. */
  first: () => number;
}

/** The search over the whole log. It begins with Enter, which then leads to the next match. */
export function SearchForm({ search, first }: SearchProps) {
  const [wanted, set] = useState<Wanted>({ text: "", isRegex: false, ignoresCase: false });
  const isKnown = search.wanted !== undefined && JSON.stringify(search.wanted) === JSON.stringify(wanted);
  const submit = (event: Event) => {
    event.preventDefault();
    if (wanted.text === "") search.clear();
    else if (isKnown && search.failure === undefined) search.next();
    else search.search(wanted, first());
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && event.shiftKey && isKnown) {
      event.preventDefault();
      search.previous();
    } else if (event.key === "Escape") {
      set({ ...wanted, text: "" });
      search.clear();
    }
  };
  const hasMatches = isKnown && search.matches.length > 0;
  return (
    <form class="row log-search" role="search" onSubmit={submit}>
      <input
        type="search"
        aria-label="Search in this log"
        placeholder="Search in this log"
        value={wanted.text}
        onInput={(event) => set({ ...wanted, text: event.currentTarget.value })}
        onKeyDown={onKey}
      />
      <label class="switch">
        <input type="checkbox" checked={wanted.isRegex} onChange={(event) => set({ ...wanted, isRegex: event.currentTarget.checked })} />
        Regex
      </label>
      <label class="switch">
        <input type="checkbox" checked={wanted.ignoresCase} onChange={(event) => set({ ...wanted, ignoresCase: event.currentTarget.checked })} />
        Ignore case
      </label>
      <button type="submit">{hasMatches ? "Next" : "Search"}</button>
      {hasMatches && <button type="button" onClick={() => search.previous()}>Previous</button>}
      <span role="status">{isKnown && search.failure === undefined ? countOf(search) : ""}</span>
      {isKnown && search.failure !== undefined && <span role="alert">{search.failure}</span>}
    </form>
  );
}

function countOf({ matches, current, isRunning, isWhole, searchedTo }: LogSearch): string {
  const count = matches.length.toLocaleString();
  const place = current === undefined ? "" : `${(current + 1).toLocaleString()} of `;
  if (isWhole) return matches.length === 0 ? "No line matches" : `${place}${count}`;
  return `${place}${count} so far, ${isRunning ? "searching" : "searched"} to line ${searchedTo.toLocaleString()}`;
}

/** Leads to a line by its number. */
export function GoToLine({ path, numLines, toLine }: { path: string; numLines: number; toLine: (line: number) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("line") as HTMLInputElement;
    const line = Math.min(Number(input.value), numLines);
    navigate(`${path}#L${line}`);
    // Also where the address names this line already.
    toLine(line - 1);
  };
  return (
    <form class="row" onSubmit={submit}>
      <label class="switch">
        Line
        <input class="log-go" name="line" type="number" min={1} max={Math.max(1, numLines)} required />
      </label>
      <button type="submit">Go</button>
    </form>
  );
}
