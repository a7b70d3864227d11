// The address bar: which view it names, and how to get to another.

/** A view and what it shows. */
export type Route =
  | { view: "home" }
  | { view: "now" }
  | { view: "builder"; name: string }
  | { view: "build"; name: string; number: number; step: number | undefined; log: string | undefined; line: number | undefined }
  | { view: "nowhere" };

/** The builder's page. Its name may hold any character. */
export function builderPath(name: string): string {
  return `/builders/${encodeURIComponent(name)}`;
}

/** The build's page, with one of its steps chosen. */
export function buildPath(name: string, number: number, step?: number): string {
  const path = `${builderPath(name)}/builds/${number}`;
  return step === undefined ? path : `${path}/steps/${step}`;
}

/** A log of a step, by its slug, and one of its lines, from 0. */
export function logPath(stepPath: string, slug: string, line?: number): string {
  const path = `${stepPath}/logs/${encodeURIComponent(slug)}`;
  return line === undefined ? path : `${path}#L${line + 1}`;
}

/** Reads a path of this page, and the line that the part behind `#` names. */
export function readPath(path: string, hash = ""): Route {
  const [first, name, builds, number, steps, step, logs, log, ...rest] = path.replace(/^\/|\/$/g, "").split("/");
  if (first === "" || (first === "builders" && name === undefined)) return { view: "home" };
  if (first === "now" && name === undefined) return { view: "now" };
  const decoded = first === "builders" && name !== undefined ? decode(name) : undefined;
  if (decoded === undefined || rest.length > 0) return { view: "nowhere" };
  if (builds === undefined) return { view: "builder", name: decoded };
  if (builds !== "builds" || !isNumber(number)) return { view: "nowhere" };
  const isStep = steps === "steps" && isNumber(step);
  if (steps !== undefined && !isStep) return { view: "nowhere" };
  const slug = logs === "logs" && log !== undefined ? decode(log) : undefined;
  if (logs !== undefined && slug === undefined) return { view: "nowhere" };
  const [, line] = /^#L([1-9]\d{0,9})$/.exec(hash) ?? [];
  return {
    view: "build",
    name: decoded,
    number: Number(number),
    step: isStep ? Number(step) : undefined,
    log: slug,
    line: line === undefined ? undefined : Number(line) - 1,
  };
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Goes to another path of this page without loading it anew; to its top, if it is of another view. */
export function navigate(path: string): void {
  const before = viewOf(location.pathname);
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
  if (viewOf(location.pathname) !== before) scrollTo(0, 0);
}

/** What a path shows, whichever step or log is chosen. */
function viewOf(path: string): string {
  return JSON.stringify({ ...readPath(path), step: undefined, log: undefined });
}

/** Changes the address without a step in the history, as for a filter or a chosen step. */
export function replacePath(path: string): void {
  history.replaceState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Replaces parameters of the address; an empty value removes one. */
export function replaceParameters(changes: Record<string, string>): void {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") parameters.delete(name);
    else parameters.set(name, value);
  }
  const text = parameters.toString();
  replacePath(`${location.pathname}${text === "" ? "" : `?${text}`}`);
}

/** Lets links to this page's own views change the view only. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element).closest?.("a");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link == null || !isPlain || event.defaultPrevented || link.target !== "" || link.origin !== location.origin) return;
  if (readPath(link.pathname).view === "nowhere") return;
  // The browser itself leads to a part of the page.
  if (link.hash !== "" && !link.hash.startsWith("#L")) return;
  event.preventDefault();
  navigate(link.pathname + link.search + link.hash);
}
