// Compares our events with the master's own, and says where they may differ.
import assert from "node:assert/strict";
import { isDeepStrictEqual as equal } from "node:util";

function bySteps(events) {
  const steps = new Map();
  for (const event of events) {
    const { stepid } = event.step;
    steps.set(stepid, [...(steps.get(stepid) ?? []), event]);
  }
  return steps;
}

// Adding a link that a step has already changes no row, so we send no event, whereas the master sends `updated`. The
// second link of the step `links` repeats its first, so one such event is removed.
function withoutRepeatedLink(theirs) {
  if (theirs[0].step.name !== "links") return theirs;
  const repeated = theirs.findIndex(
    ({ kind, step }, n) => kind === "updated" && step.urls.length > 0 && equal(step, theirs[n - 1].step),
  );
  return theirs.filter((_, n) => n !== repeated);
}

const format = (events) => events.map(({ kind, step }) => `  ${kind} ${JSON.stringify(step)}`).join("\n");

// The same events of the step in the same order, each with the same step.
//
// The master reads the row again before it sends an event, so that event may show a later state: `readLater` counts
// these.
function compareStep(ours, theirs) {
  const why = () => `ours:\n${format(ours)}\ntheirs:\n${format(theirs)}`;
  const announced = withoutRepeatedLink(theirs);
  assert.deepEqual(ours.map(({ kind }) => kind), announced.map(({ kind }) => kind), why());
  let index = 0;
  let readLater = 0;
  announced.forEach(({ step }, n) => {
    index = Math.max(index, n);
    while (index < ours.length && !equal(ours[index].step, step)) index += 1;
    assert(index < ours.length, `event ${n} of theirs is at no later place of ours, ${why()}`);
    if (index > n) readLater += 1;
  });
  assert.deepEqual(ours.at(-1).step, announced.at(-1).step, why());
  return readLater;
}

// Compares all steps. Returns how often the master sent a later state than that of its event.
export function compareEvents(ours, theirs) {
  const [our, their] = [bySteps(ours), bySteps(theirs)];
  assert.deepEqual([...our.keys()].sort((a, b) => a - b), [...their.keys()].sort((a, b) => a - b));
  let readLater = 0;
  for (const [stepid, events] of their) readLater += compareStep(our.get(stepid), events);
  return readLater;
}

// Each event once, in order; each step's events in the order of its life, none after its end.
export function wellFormed(events) {
  const cursors = events.map(({ cursor }) => cursor);
  assert.deepEqual(cursors, [...new Set(cursors)].sort(), "the cursors rise");
  for (const life of bySteps(events).values()) {
    const kinds = life.map(({ kind }) => kind).join(" ");
    // A step that a killed master had added and not yet started is finished without a start.
    assert.match(kinds, /^new( started)?( updated)* finished$/, format(life));
  }
}

// The master's REST returns the last state that we sent of each step.
export async function lastStates(master, events) {
  for (const [stepid, life] of bySteps(events)) {
    const { steps: [step] } = await master.get(`steps/${stepid}`);
    assert.deepEqual(life.at(-1).step, step);
  }
}
