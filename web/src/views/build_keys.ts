// The keys of the build view.
import { useEffect } from "preact/hooks";
import { buildPath, navigate, replacePath } from "../router";
import type { BuildModel, PageStep } from "./build_model";

/** Listens to the keys while the view is shown, unless somebody types. */
export function useBuildKeys(steps: readonly PageStep[], chosen: number | undefined, model: BuildModel): void {
  const { name, number, newest } = model;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = (event.target as Element).closest("input, select, textarea") !== null;
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      const place = steps.findIndex((step) => step.number === focusedStep());
      const step = targetOf(event.key, steps, place);
      if (step !== undefined) {
        event.preventDefault();
        focusStep(step.number);
        if (event.key === "f") replacePath(buildPath(name, number, step.number));
      }
      if (event.key === "h" && number > 1) navigate(buildPath(name, number - 1));
      if (event.key === "l" && newest !== undefined && number < newest) navigate(buildPath(name, number + 1));
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  // A link to a step leads to it.
  const isThere = steps.some((step) => step.number === chosen);
  useEffect(() => {
    if (isThere && chosen !== undefined && focusedStep() === undefined) focusStep(chosen);
  }, [isThere]);
}

/** The step to which a key leads from the step at this place; -1 is before the first. */
function targetOf(key: string, steps: readonly PageStep[], place: number): PageStep | undefined {
  switch (key) {
    case "j":
      return steps[place + 1];
    case "k":
      return steps[Math.max(0, place - 1)];
    case "f":
      return steps.find(({ results }) => results === "FAILURE" || results === "EXCEPTION");
    default:
      return undefined;
  }
}

/** The number of the step that has the focus. */
function focusedStep(): number | undefined {
  const row = document.activeElement?.closest("[data-step]");
  return row == null ? undefined : Number(row.getAttribute("data-step"));
}

function focusStep(step: number): void {
  const link = document.querySelector<HTMLElement>(`[data-step="${step}"] a`);
  link?.focus();
  link?.scrollIntoView({ block: "nearest" });
}
