// The same requests to both servers' REST, and where the responses may differ.
import assert from "node:assert/strict";
import { ask } from "./request.mjs";

const answer = async ({ origin }, path) => {
  const { status, text } = await ask(`${origin}/api/v2/${path}`, { headers: { Accept: "application/json" } });
  return { status, body: JSON.parse(text) };
};

const of = encodeURIComponent;
// What Buildbot accepts as a name in a path or a filter. It finds no other name; we do.
const IDENTIFIER = /^[A-Za-z_-][A-Za-z0-9._-]{0,49}$/;

const STEP_QUERIES = [
  "", "order=-number", "order=name", "order=-results&order=name", "field=name&field=results&field=number", "limit=3&offset=1",
  "complete=true", "complete=false", "hidden=true", "results=0", "results=0&results=3", "results__notin=0", "number__ge=2",
  "number__lt=4&order=-stepid", "name=worker_preparation", "name__contains=e", "name__ne=hello", "state_string__contains=sh",
  "urls=x", "nothing=1", "order=nothing", "limit=x", "number=x", "property=*",
];
const BUILD_QUERIES = [
  "", "order=-buildid", "order=number&order=-buildid", "complete=true", "complete=false", "results=0", "results=0&results=1", "results__gt=1",
  "field=buildid&field=results", "started_at__gt=0", "complete_at__le=0", "number__in=1", "workerid=1", "property=*", "property=owner&property=reason",
  "state_string__contains=build", "builderid=1", "nothing=1", "results=x",
];
const BUILDER_QUERIES = ["", "order=-name", "field=name", "tags__contains=smoke", "name=plain", "name__contains=a", "limit=2", "masterids__contains=1"];
// Buildbot counts the builds of the page; we count the matches.
const PAGED_BUILD_QUERIES = ["order=buildid&limit=3", "order=buildid&limit=3&offset=2", "order=-buildid&limit=2"];

// Without an order, Buildbot returns builds in the database's order: on PostgreSQL the last changed come last.
const buildsInOrder = (path, { builds, ...rest }) =>
  builds === undefined || path.includes("order=")
    ? { builds, ...rest }
    : { ...rest, builds: builds.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) };

// A builder's tags, too: MariaDB's order depends on how it joins. Ours is that in which they were given.
const tagsInOrder = ({ builders, ...rest }) => ({
  ...rest, builders: builders?.map((it) => (it.tags === undefined ? it : { ...it, tags: it.tags.toSorted() })),
});

const inOrder = (path, body) => tagsInOrder(buildsInOrder(path, body));

export async function sameAnswers(master, ours) {
  const { builders } = await master.get("builders");
  const { builds } = await master.get("builds");
  const queries = (path, each) => each.map((query) => (query ? `${path}?${query}` : path));
  const paths = [
    ...queries("builders", BUILDER_QUERIES), ...queries("builds", BUILD_QUERIES),
    "steps/0", "steps/999999", "steps/x", "builds/999999", "builds/999999/steps", "builders/none", "builders/none/builds", "builders/none/builds/1/steps",
    ...queries(`builders/${builds[0].builderid}/builds`, BUILD_QUERIES),
  ];
  for (const { builderid, name } of builders) {
    paths.push(`builders/${builderid}`, `builders/${of(name)}`, `builders/${builderid}/builds`, `builders/${of(name)}/builds`);
  }
  const asked = new Set();
  for (const { buildid, builderid, number } of builds) {
    const { name } = builders.find((builder) => builder.builderid === builderid);
    // A name that reads as a number is one.
    const forms = [`builds/${buildid}`, `builders/${builderid}/builds/${number}`, `builders/${of(name)}/builds/${number}`];
    paths.push(...forms, `builds/${buildid}?property=*`, ...forms.map((form) => `${form}/steps`), `builds/${buildid}/steps/999`);
    // Every query of the first build of each builder.
    if (!asked.has(builderid)) paths.push(...queries(`builds/${buildid}/steps`, STEP_QUERIES));
    asked.add(builderid);
    for (const step of await master.stepsOf(buildid)) {
      paths.push(`steps/${step.stepid}`, `${forms[step.number % 3]}/steps/${step.number}`);
      if (IDENTIFIER.test(step.name)) paths.push(`${forms[step.number % 3]}/steps/${of(step.name)}`);
    }
  }
  for (const path of paths) {
    const [mine, theirs] = await Promise.all([answer(ours, path), answer(master, path)]);
    assert.equal(mine.status, theirs.status, `${path}: ${JSON.stringify([mine.body, theirs.body])}`);
    if (mine.status === 200) assert.deepEqual(inOrder(path, mine.body), inOrder(path, theirs.body), path);
  }
  for (const path of queries("builds", PAGED_BUILD_QUERIES)) {
    const [mine, theirs] = await Promise.all([answer(ours, path), answer(master, path)]);
    assert.deepEqual(mine.body.builds, theirs.body.builds, path);
    assert.deepEqual([mine.body.meta, theirs.body.meta], [{ total: builds.length }, { total: theirs.body.builds.length }], path);
  }
  return paths.length;
}
