// The same requests for logs to both servers' REST, and where the responses may differ (docs/buildbot.md).
import assert from "node:assert/strict";
import { ask } from "./request.mjs";

const LOG_QUERIES = ["", "order=-logid", "order=name", "field=slug&field=type", "limit=1", "limit=1&offset=1", "complete=true", "complete=false", "type=s", "num_lines__gt=1", "name__contains=std", "nothing=1", "limit=x", "num_lines=x"];
const CONTENTS_QUERIES = ["", "limit=1", "offset=1", "offset=1&limit=2", "offset=1000000&limit=5", "limit=1000000", "limit=0", "field=content", "firstline=0", "limit=x", "offset=x"];

// Where Buildbot finds no log, we say what is wrong with the parameter.
const REFUSED = "offset=-1";
const ALL = { Accept: "application/json" };

// The status, the kind of content and the text. A name of a file, which Buildbot writes without quotes, is compared by
// whether there is one.
async function answer({ origin }, path) {
  const { status, text, headers } = await ask(`${origin}/api/v2/${path}`, { headers: ALL });
  const raw = /\/raw(_inline)?$/.test(path);
  if (status !== 200) return { status };
  const disposition = headers["content-disposition"]?.split(";")[0];
  return raw ? { status, type: headers["content-type"].replace(/\s/g, "").toLowerCase(), disposition, text } : { status, body: JSON.parse(text) };
}

// Asks both for every log of these builds by every path that Buildbot has. Returns how many paths were asked.
export async function sameLogs(master, ours) {
  const paths = ["logs/0", "logs/999999", "logs/x", "logs/999999/contents", "steps/999999/logs", "steps/999999/logs/stdio"];
  const queries = (path, each) => each.map((query) => (query ? `${path}?${query}` : path));
  const { builds } = await master.get("builds");
  for (const { buildid, builderid, number } of builds) {
    for (const step of await master.stepsOf(buildid)) {
      const { logs } = await master.get(`steps/${step.stepid}/logs`);
      paths.push(...queries(`steps/${step.stepid}/logs`, LOG_QUERIES), `steps/${step.stepid}/logs/none`);
      for (const { logid, slug } of logs) {
        const forms = [
          `logs/${logid}`, `steps/${step.stepid}/logs/${slug}`, `builds/${buildid}/steps/${step.number}/logs/${slug}`,
          `builders/${builderid}/builds/${number}/steps/${step.number}/logs/${slug}`,
        ];
        for (const form of forms) paths.push(form, `${form}/raw`, `${form}/raw_inline`);
        paths.push(...queries(`${forms[logid % 4]}/contents`, CONTENTS_QUERIES));
      }
    }
  }
  const refused = `${paths.find((path) => path.endsWith("/raw")).slice(0, -4)}/contents?${REFUSED}`;
  assert.deepEqual([(await answer(ours, refused)).status, (await answer(master, refused)).status], [400, 404]);
  paths.push("logs/999999/raw", "logs/999999/raw_inline");
  const differing = [];
  for (const path of paths) {
    const [mine, theirs] = await Promise.all([answer(ours, path), answer(master, path)]);
    try {
      assert.deepEqual(mine, theirs);
    } catch {
      differing.push(`${path}\n  ours   ${JSON.stringify(mine).slice(0, 400)}\n  theirs ${JSON.stringify(theirs).slice(0, 400)}`);
    }
  }
  assert.deepEqual(differing.slice(0, 20), [], `${differing.length} of ${paths.length} differ`);
  return paths.length;
}
