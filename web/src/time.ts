// Times and durations as people read them.
import { serverNow } from "./api/session";

/** `95` is "1m 35s", `7260` is "2h 1m". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3_600) return s % 60 === 0 ? `${Math.floor(s / 60)}m` : `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)}h ${Math.floor((s % 3_600) / 60)}m`;
  return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3_600)}h`;
}

/** Seconds from one time to another, or to now. */
export function secondsBetween(from: string, to: string | null | undefined): number {
  return ((to == null ? serverNow() : Date.parse(to)) - Date.parse(from)) / 1_000;
}

/** "3 min ago", in the viewer's language. */
export function ago(time: string): string {
  const s = Math.max(0, secondsBetween(time, null));
  const format = new Intl.RelativeTimeFormat(undefined, { style: "short", numeric: "always" });
  if (s < 60) return format.format(-Math.floor(s), "second");
  if (s < 3_600) return format.format(-Math.floor(s / 60), "minute");
  if (s < 86_400) return format.format(-Math.floor(s / 3_600), "hour");
  return format.format(-Math.floor(s / 86_400), "day");
}

const EXACT = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "long",
});

/** The exact time in the viewer's zone. */
export function exact(time: string): string {
  return EXACT.format(new Date(time));
}

/** The middle of the values by the nearest rank, as the server's `stats` give it. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length / 2) - 1];
}
