// Compares our events with the master's own, and says where they may differ.
import assert from "node:assert/strict";
import { isDeepStrictEqual as equal } from "node:util";

function bySteps(events) {
  const steps = new Map();
  for (const event of events.filter(({ step }) => step)) {
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

const format = (events) => events.map(({ kind, step, build }) => `  ${kind} ${JSON.stringify(step ?? build)}`).join("\n");

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

function byBuilds(events) {
  const builds = new Map();
  for (const event of events.filter(({ build }) => build)) {
    const { buildid } = event.build;
    builds.set(buildid, [...(builds.get(buildid) ?? []), event]);
  }
  return builds;
}

// The same events of each build. The master announces the first update of a build before the build itself, and calls
// updates so; we have them in the order of their commits.
export function compareBuilds(ours, theirs) {
  const [our, their] = [byBuilds(ours), byBuilds(theirs)];
  assert.deepEqual([...our.keys()].sort((a, b) => a - b), [...their.keys()].sort((a, b) => a - b));
  for (const [buildid, announced] of their) {
    const heard = our.get(buildid);
    const why = () => `ours:\n${format(heard)}\ntheirs:\n${format(announced)}`;
    assert.deepEqual(announced.slice(0, 2).map(({ kind }) => kind), ["update", "new"], why());
    const kinds = announced.map(({ kind }) => (kind === "update" ? "updated" : kind));
    assert.deepEqual(heard.map(({ kind }) => kind).sort(), kinds.sort(), why());
    // A state is announced only after its commit, so it is among ours.
    for (const { build } of announced) assert(heard.some((event) => equal(event.build, build)), why());
    assert.deepEqual(heard.at(-1).build, announced.at(-1).build, why());
  }
}

// Each event once, in order; each build's events in the order of its life, and those of its steps between its first and
// its end.
export function ordered(events) {
  const cursors = events.map(({ cursor }) => cursor);
  assert.deepEqual(cursors, [...new Set(cursors)].sort(), "the cursors rise");
  for (const [buildid, life] of byBuilds(events)) {
    assert.match(life.map(({ kind }) => kind).join(" "), /^new( updated)* finished( updated)?$/, format(life));
    const end = life.find(({ kind }) => kind === "finished").build;
    // A master does not wait until the text that a step adds to its build is written, so the end may be committed
    // first. Nothing else of a build changes after its end.
    assert.deepEqual({ ...life.at(-1).build, state_string: "" }, { ...end, state_string: "" }, format(life));
    const steps = events.filter(({ step }) => step?.buildid === buildid);
    const all = events.filter(({ build, step }) => (build ?? step)?.buildid === buildid);
    assert.deepEqual([all[0], all.at(-1)], [life[0], life.at(-1)], `${format(life)}\nsteps:\n${format(steps)}`);
  }
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

// The master's REST returns the last state that we sent of each build.
export async function lastBuildStates(master, events) {
  for (const [buildid, life] of byBuilds(events)) {
    const { builds: [build] } = await master.get(`builds/${buildid}`);
    assert.deepEqual(life.at(-1).build, build);
  }
}

// The master's REST returns the last state that we sent of each step.
export async function lastStates(master, events) {
  for (const [stepid, life] of bySteps(events)) {
    const { steps: [step] } = await master.get(`steps/${stepid}`);
    assert.deepEqual(life.at(-1).step, step);
  }
}
