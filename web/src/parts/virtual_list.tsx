// A list of which only the rows on screen are in the document, however long it is.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

/** Rows beyond both edges of the screen: whoever goes on by keyboard finds the next one there. */
const BEYOND = 6;

interface Props<Row> {
  class: string;
  rows: readonly Row[];
  keyOf: (row: Row) => number;
  render: (row: Row) => ComponentChildren;
}

/** The rows are all as high as `--row-height` of their class says. */
export function VirtualList<Row>({ class: name, rows, keyOf, render }: Props<Row>) {
  const ref = useRef<HTMLOListElement>(null);
  const [, scrolled] = useReducer((count: number) => count + 1, 0);
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const measure = () => {
      const style = ref.current === null ? "" : getComputedStyle(ref.current).getPropertyValue("--row-height");
      setHeight(Number.parseFloat(style) || 48);
      scrolled(undefined);
    };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  useEffect(() => {
    let frame: number | undefined;
    const onScroll = () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        scrolled(undefined);
      });
    };
    addEventListener("scroll", onScroll, { passive: true });
    return () => {
      removeEventListener("scroll", onScroll);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, []);
  const top = ref.current === null ? 0 : ref.current.getBoundingClientRect().top;
  const from = height === 0 ? 0 : Math.max(0, Math.floor(-top / height) - BEYOND);
  const to = height === 0 ? 0 : Math.min(rows.length, Math.ceil((innerHeight - top) / height) + BEYOND);
  return (
    <ol ref={ref} class={`virtual ${name}`} style={{ height: `${height * rows.length}px` }} onKeyDown={moveByArrows}>
      {rows.slice(from, to).map((row, index) => (
        <li
          key={keyOf(row)}
          aria-setsize={rows.length}
          aria-posinset={from + index + 1}
          style={{ transform: `translateY(${(from + index) * height}px)` }}
        >
          {render(row)}
        </li>
      ))}
    </ol>
  );
}

/** Arrow keys go from link to link in a row, and to what is above or below in the next row. */
function moveByArrows(event: KeyboardEvent): void {
  const link = (event.target as Element).closest("a");
  const row = link?.closest("li");
  if (link == null || row == null) return;
  const next = linkBeside(event.key, row, link);
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function linkBeside(key: string, row: Element, link: HTMLAnchorElement): HTMLAnchorElement | undefined {
  const links = linksOf(row);
  switch (key) {
    case "ArrowLeft":
      return links[links.indexOf(link) - 1];
    case "ArrowRight":
      return links[links.indexOf(link) + 1];
    case "ArrowUp":
      return nearest(linksOf(row.previousElementSibling), left(link));
    case "ArrowDown":
      return nearest(linksOf(row.nextElementSibling), left(link));
    default:
      return undefined;
  }
}

/** The links of a row that have room on this screen, from left to right. */
function linksOf(row: Element | null): HTMLAnchorElement[] {
  const links = [...(row?.querySelectorAll("a") ?? [])].filter((link) => link.getClientRects().length > 0);
  return links.sort((a, b) => left(a) - left(b));
}

function nearest(links: readonly HTMLAnchorElement[], x: number): HTMLAnchorElement | undefined {
  return links.toSorted((a, b) => Math.abs(left(a) - x) - Math.abs(left(b) - x))[0];
}

function left(link: Element): number {
  return link.getBoundingClientRect().left;
}
