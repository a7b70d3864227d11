// A database of a thousand builders with twenty builds each, filled by SQL in seconds.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, launch } from "../server.mjs";

export const BUILDERS = 1_000;
export const BUILDS = 20;
// The newest build of each tenth builder runs, and is at one of its steps.
export const RUNNING = BUILDERS / 10;
// A running build with this many steps, for the build view.
export const LONG = { builder: nameOf(1), number: BUILDS, steps: 60 };

export function nameOf(place) {
  return `${["linux", "macos", "windows", "docs"][place % 4]}-${String(place).padStart(4, "0")}`;
}

const FILL = `
import hashlib, json, sqlite3, sys, time
path, builders, builds, long = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
names = json.loads(sys.argv[5])
db = sqlite3.connect(path, isolation_level=None)
db.execute("begin")
# The feed begins with what comes after.
triggers = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
for name, _ in triggers: db.execute(f"drop trigger {name}")
sha = lambda text: hashlib.sha1(text.encode()).hexdigest()
tags = ["linux", "macos", "windows", "docs", "release", "nightly", "slow"]
db.executemany("insert into tags (id, name, name_hash) values (?, ?, ?)", [(n, t, sha(t)) for n, t in enumerate(tags, 1)])
db.executemany("insert into builders (id, name, name_hash) values (?, ?, ?)", [(n, t, sha(t)) for n, t in enumerate(names, 1)])
db.executemany("insert into builders_tags (builderid, tagid) values (?, ?)",
  [(n, tag) for n in range(1, builders + 1) for tag in {n % 4 + 1, 5 + n % 3}])
now = int(time.time())
steps = ["checkout", "configure", "compile", "test", "upload"]
RESULTS = [0, 0, 0, 0, 0, 1, 0, 2, 0, 4, 0, 0, 5, 0, 6, 0, 3]
build_rows, step_rows = [], []
for builder in range(1, builders + 1):
    for number in range(1, builds + 1):
        build = (builder - 1) * builds + number
        result = RESULTS[(builder * 7 + number * 3) % len(RESULTS)]
        runs = number == builds and builder % 10 == 1
        takes = 60 + (builder * 37 + number * 11) % 240
        started = now - takes // 2 if runs else now - (builds - number + 1) * 3600 - builder
        build_rows.append((build, number, builder, started, None if runs else started + takes,
                           "building" if runs else "finished", None if runs else result))
        count = long if runs and builder == 1 else len(steps)
        for n in range(count):
            last = n == count - 1
            open = runs and last
            at = started + (takes if not runs else takes // 2) * n // count
            end = started + (takes if not runs else takes // 2) * (n + 1) // count
            name = steps[n] if count == len(steps) else f"step-{n}"
            step_rows.append((n, name, build, at, at, None if open else end,
                              "running" if open else f"{name} done", None if open else (result if last else 0)))
db.executemany("insert into builds (id, number, builderid, started_at, complete_at, locks_duration_s, state_string, results) "
               "values (?, ?, ?, ?, ?, 0, ?, ?)", build_rows)
db.executemany("insert into steps (number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, "
               "urls_json) values (?, ?, ?, ?, ?, ?, ?, ?, '[]')", step_rows)
for _, sql in triggers: db.execute(sql)
db.execute("commit")
`;

// Writes as a master does: a transaction for each change. Most are state strings; each fifth ends a step or begins one.
const WRITE = `
import sqlite3, sys, time
path, builds, per_s = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(path, isolation_level=None, timeout=30)
chosen = "" if builds == "all" else f"and buildid = {int(builds)}"
running = [row[0] for row in db.execute(f"select buildid from steps where complete_at is null {chosen} order by id")]
start, n = time.time(), 0
while True:
    build = running[n // 5 % len(running)]
    now = int(time.time())
    if n % 5 < 4:
        db.execute("update steps set state_string = ? where buildid = ? and complete_at is null", (f"compiled {n} files", build))
    elif n // 5 // len(running) % 2 == 0:
        db.execute("update steps set complete_at = ?, results = 0 where buildid = ? and complete_at is null", (now, build))
        db.execute("insert into steps (number, name, buildid, started_at, locks_acquired_at, state_string, urls_json) "
                   "select max(number) + 1, 'again-' || (max(number) + 1), buildid, ?, ?, 'running', '[]' from steps where buildid = ?",
                   (now, now, build))
        n += 1
    else:
        db.execute("update builds set state_string = ? where id = ?", (f"state {n}", build))
    n += 1
    time.sleep(max(0, start + n / per_s - time.time()))
`;

// A server over such a database. `write(build, perSecond)` changes running builds, or this one, until its `stop`.
// No flag limits how often it is read: a test loads more often than a person does.
export async function startMany(flags = ["--anonymous", "write", "--rate-points", "0"]) {
  const dir = mkdtempSync(join(tmpdir(), "many-"));
  const file = join(dir, "many.sqlite");
  const url = `sqlite://${file}?mode=rwc`;
  execFileSync(binary(), ["migrate", "--database-url", url], { stdio: "ignore" });
  const names = Array.from({ length: BUILDERS }, (_, index) => nameOf(index + 1));
  execFileSync("python3", ["-c", FILL, file, `${BUILDERS}`, `${BUILDS}`, `${LONG.steps}`, JSON.stringify(names)], { stdio: "inherit" });
  const { child, origin } = await launch(dir, "127.0.0.1:0", ["--database-url", url, ...flags]);
  return {
    origin,
    write(build, perSecond) {
      const writer = spawn("python3", ["-c", WRITE, file, `${build}`, `${perSecond}`], { stdio: ["ignore", "ignore", "inherit"] });
      return { stop: () => writer.kill("SIGKILL") };
    },
    cleanUp() {
      child.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
