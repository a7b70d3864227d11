// Writes builds and steps as a Buildbot master would, over GraphQL.
import assert from "node:assert/strict";

export class Writer {
  constructor(origin, token) {
    this.origin = origin;
    this.headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  }

  async run(query, variables = {}) {
    const response = await fetch(`${this.origin}/graphql`, {
      method: "POST", headers: this.headers, body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  async builder(name, info = {}) {
    const { findBuilder } = await this.run("mutation ($name: String!) { findBuilder(name: $name) { builderid } }", { name });
    if (info.tags) {
      const set = "mutation ($id: Int!, $tags: [String!]) { updateBuilderInfo(builderid: $id, tags: $tags) { cursor } }";
      await this.run(set, { id: findBuilder.builderid, tags: info.tags });
    }
    return findBuilder.builderid;
  }

  describe(builderid, description) {
    const set = "mutation ($id: Int!, $text: String!) { updateBuilderInfo(builderid: $id, description: $text) { cursor } }";
    return this.run(set, { id: builderid, text: description });
  }

  async build(builderid) {
    const add = "mutation ($id: Int!) { addBuild(builderid: $id) { build { buildid number } } }";
    return (await this.run(add, { id: builderid })).addBuild.build;
  }

  // A step; `started` with its locks, or `waiting` for them.
  async step(buildid, name, state = "started") {
    const { newStep } = await this.run("mutation ($id: Int!, $name: String!) { newStep(buildid: $id, name: $name) { step { stepid number } } }", { id: buildid, name });
    const start = "mutation ($id: Int!, $locks: Boolean!) { startStep(stepid: $id, locksAcquired: $locks) { cursor } }";
    if (state !== "new") await this.run(start, { id: newStep.step.stepid, locks: state === "started" });
    return newStep.step;
  }

  say(stepid, text) {
    return this.run("mutation ($id: Int!, $text: String!) { setStepStateString(stepid: $id, stateString: $text) { cursor } }", { id: stepid, text });
  }

  link(stepid, name, url) {
    return this.run("mutation ($id: Int!, $name: String!, $url: String!) { addStepURL(stepid: $id, name: $name, url: $url) { cursor } }", { id: stepid, name, url });
  }

  finishStep(stepid, results = "SUCCESS", hidden = false) {
    const finish = "mutation ($id: Int!, $r: Results!, $h: Boolean!) { finishStep(stepid: $id, results: $r, hidden: $h) { cursor } }";
    return this.run(finish, { id: stepid, r: results, h: hidden });
  }

  finishBuild(buildid, results = "SUCCESS") {
    return this.run("mutation ($id: Int!, $r: Results!) { finishBuild(buildid: $id, results: $r) { cursor } }", { id: buildid, r: results });
  }

  // A log; `type` is of LogType.
  async log(stepid, name = "stdio", type = "STDIO") {
    const add = "mutation ($id: Int!, $name: String!, $type: LogType!) { addLog(stepid: $id, name: $name, type: $type) { log { logid slug } } }";
    return (await this.run(add, { id: stepid, name, type })).addLog.log;
  }

  append(logid, content, stream = "STDOUT") {
    const append = "mutation ($id: Int!, $content: String!, $stream: LogStream!) { appendLog(logid: $id, content: $content, stream: $stream) { log { numLines } } }";
    return this.run(append, { id: logid, content, stream });
  }

  finishLog(logid) {
    return this.run("mutation ($id: Int!) { finishLog(logid: $id) { log { complete } } }", { id: logid });
  }

  // A build that has ended, with these steps.
  async past(builderid, results = "SUCCESS", steps = []) {
    const build = await this.build(builderid);
    for (const [name, result] of steps) await this.finishStep((await this.step(build.buildid, name)).stepid, result);
    await this.finishBuild(build.buildid, results);
    return build;
  }
}
