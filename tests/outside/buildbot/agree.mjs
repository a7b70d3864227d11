// Whether we said what the master said of its steps, and where we may differ.
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

// A link that the step has already is not written, so no row changes and we say nothing; the master says `updated`
// all the same. Of `links`, whose second link repeats its first, one such event is taken away.
function withoutRepeatedLink(theirs) {
  if (theirs[0].step.name !== "links") return theirs;
  const repeated = theirs.findIndex(
    ({ kind, step }, n) => kind === "updated" && step.urls.length > 0 && equal(step, theirs[n - 1].step),
  );
  return theirs.filter((_, n) => n !== repeated);
}

const tell = (events) => events.map(({ kind, step }) => `  ${kind} ${JSON.stringify(step)}`).join("\n");

// The same events of the step in the same order, each with the same step.
//
// The master reads the row anew before it speaks, so what it says may be true of a later event: `readLater` counts these.
function agreeOnStep(ours, theirs) {
  const why = () => `ours:\n${tell(ours)}\ntheirs:\n${tell(theirs)}`;
  const announced = withoutRepeatedLink(theirs);
  assert.deepEqual(ours.map(({ kind }) => kind), announced.map(({ kind }) => kind), why());
  let place = 0;
  let readLater = 0;
  announced.forEach(({ step }, n) => {
    place = Math.max(place, n);
    while (place < ours.length && !equal(ours[place].step, step)) place += 1;
    assert(place < ours.length, `event ${n} of theirs is at no later place of ours, ${why()}`);
    if (place > n) readLater += 1;
  });
  assert.deepEqual(ours.at(-1).step, announced.at(-1).step, why());
  return readLater;
}

// All steps; gives how often the master told a later state than that of its event.
export function agree(ours, theirs) {
  const [our, their] = [bySteps(ours), bySteps(theirs)];
  assert.deepEqual([...our.keys()].sort((a, b) => a - b), [...their.keys()].sort((a, b) => a - b));
  let readLater = 0;
  for (const [stepid, events] of their) readLater += agreeOnStep(our.get(stepid), events);
  return readLater;
}

// Each event once, in order; each step's in the order of a life, none after its end.
export function wellFormed(events) {
  const cursors = events.map(({ cursor }) => cursor);
  assert.deepEqual(cursors, [...new Set(cursors)].sort(), "the cursors rise");
  for (const life of bySteps(events).values()) {
    const kinds = life.map(({ kind }) => kind).join(" ");
    // A step that a killed master had added and not yet started is finished without a start.
    assert.match(kinds, /^new( started)?( updated)* finished$/, tell(life));
  }
}

// What the master's REST says of each step is the last that we said of it.
export async function lastStates(master, events) {
  for (const [stepid, life] of bySteps(events)) {
    const { steps: [step] } = await master.get(`steps/${stepid}`);
    assert.deepEqual(life.at(-1).step, step);
  }
}
