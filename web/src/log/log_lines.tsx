// The lines of a log in a box that scrolls. Only those on screen are in the document.
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { LogModel } from "./log_model";
import type { LogPosition } from "./log_position";
import { LogRow } from "./log_row";
import type { LogSearch } from "./log_search";

/** Nobody scrolls any more after this time, in ms. */
const SETTLED_MS = 200;
/** The height of a line until it is known, in px. */
const LINE_PX = 20;

interface Props {
  name: string;
  /** The address of the log. */
  path: string;
  model: LogModel;
  position: LogPosition;
  search: LogSearch;
  chosen: number | undefined;
}

export function LogLines({ name, path, model, position, search, chosen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const { linePx, viewPx } = useSize(box);
  position.resize(model.numLines, linePx, viewPx);
  useScrolling(box, position);
  const { from, to, topPx } = position.drawn();
  const seen = position.visible();
  useEffect(() => model.want(seen.from, seen.to), [model, model.numLines, seen.from, seen.to]);
  const finder = search.finder;
  const current = search.current === undefined ? undefined : search.matches[search.current];
  const total = model.status.is === "complete" ? model.numLines : undefined;
  return (
    <div class="log-lines" ref={box} tabIndex={0} role="region" aria-label={`Lines of ${name}`}>
      <div class="log-height" style={{ height: `${position.map.elementPx}px` }}>
        <ol class="log-rows" style={{ top: `${topPx}px` }}>
          {Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index).map((number) => (
            <LogRow
              key={number}
              number={number}
              line={model.line(number)}
              total={total}
              path={path}
              isChosen={number === chosen}
              isMatch={search.isMatch(number)}
              isCurrent={number === current}
              isReached={number >= seen.from && number < seen.to}
              finder={finder}
            />
          ))}
        </ol>
      </div>
    </div>
  );
}

/** How high a line is, and how much room there is for lines, in px. */
function useSize(box: RefObject<HTMLElement | null>): { linePx: number; viewPx: number } {
  const [size, setSize] = useState({ linePx: LINE_PX, viewPx: 400 });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const measure = () => {
      const linePx = Number.parseFloat(getComputedStyle(element).getPropertyValue("--log-line")) || LINE_PX;
      const viewPx = element.clientHeight;
      setSize((known) => (known.linePx === linePx && known.viewPx === viewPx ? known : { linePx, viewPx }));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [box]);
  return size;
}

/** Scrolls the box to where the position is, and the position to where the box was scrolled. */
function useScrolling(box: RefObject<HTMLElement | null>, position: LogPosition): void {
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    if (position.isMoved) {
      element.scrollTop = position.scrollTop;
      // The browser may have rounded it.
      [position.scrollTop, position.isMoved] = [element.scrollTop, false];
    }
    const target = position.target === undefined ? null : element.querySelector(`[aria-posinset="${position.target + 1}"]`);
    // The box may be higher than the screen.
    target?.scrollIntoView({ block: "nearest" });
    position.target = undefined;
  });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const element = box.current;
    const onScroll = () => {
      // Where a move is about to happen, this tells of one before it.
      if (element !== null && !position.isMoved) position.scrolled(element.scrollTop);
      clearTimeout(timer);
      timer = setTimeout(() => position.settle(), SETTLED_MS);
    };
    element?.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      clearTimeout(timer);
      element?.removeEventListener("scroll", onScroll);
    };
  }, [box, position]);
}
