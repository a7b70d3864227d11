// Ties a followed view to a component.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { type AnyEvent, type FeedStatus, type Followed, follow } from "../api/follow";

/** A view's model tells its component by `changed` when there is something new to show. */
export type Model<Event> = Followed<Event> & { changed: () => void };

/**
 * Follows a model as long as the component shows it, and shows it anew at most once a frame,
 * however many events a frame brings.
 */
export function useFollowed<Event extends AnyEvent, M extends Model<Event>>(
  create: () => M,
  key: string,
): { model: M; status: FeedStatus; retry: () => void } {
  const [attempt, retry] = useReducer((count: number) => count + 1, 0);
  const [, show] = useReducer((count: number) => count + 1, 0);
  const [status, setStatus] = useState<FeedStatus>({ is: "loading" });
  const ref = useRef<{ key: string; model: M } | undefined>(undefined);
  if (ref.current?.key !== key) ref.current = { key, model: create() };
  const { model } = ref.current;
  useEffect(() => {
    const ending = new AbortController();
    let frame: number | undefined;
    let latest: FeedStatus = { is: "loading" };
    const draw = () => {
      frame = undefined;
      setStatus((shown) => (sameStatus(shown, latest) ? shown : latest));
      show(undefined);
    };
    const schedule = () => {
      frame ??= requestAnimationFrame(draw);
    };
    model.changed = schedule;
    void follow<Event>(model, ending.signal, (now) => {
      latest = now;
      schedule();
    });
    return () => {
      ending.abort();
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [model, attempt]);
  return { model, status, retry: () => retry(undefined) };
}

function sameStatus(one: FeedStatus, other: FeedStatus): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Shows the component anew each second while `runs`, for times that grow. */
export function useSeconds(runs: boolean): void {
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => tick(undefined), 1_000);
    return () => clearInterval(timer);
  }, [runs]);
}
