// What this tab knows of its server: the caller's token, and how far its clock is from ours.

const TOKEN = "buildbot-graphql.token";

/** The caller's token, kept until the tab is closed. */
export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN),
  set: (value: string): void => sessionStorage.setItem(TOKEN, value),
  clear: (): void => sessionStorage.removeItem(TOKEN),
};

/** A difference that the whole seconds of a `Date` header and the way of the answer explain, in ms. */
const SAME_MS = 2_000;
let offsetMs = 0;

/** Takes the server's time from the `Date` header of an answer that just came. */
export function readServerClock(date: string | null): void {
  const at = date === null ? NaN : Date.parse(date);
  if (Number.isNaN(at)) return;
  const difference = at + 500 - Date.now();
  offsetMs = Math.abs(difference) > SAME_MS ? difference : 0;
}

/** Now by the server's clock, in ms since the epoch: running times must not depend on the viewer's. */
export function serverNow(): number {
  return Date.now() + offsetMs;
}
