// Databases to attack, filled by SQL in seconds. Each is made once for a process.
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "../server.mjs";

// Builds, steps of each, characters of a state string, and which one.
export const SHAPES = {
  small: [100, 10, 20],
  // Bytes: 48,000 steps and 1,200 builds, of 1,500 characters each.
  long: [1_200, 40, 1_500],
  // Builds of 40 MB each in texts.
  texts: [5, 10_000, 4_000],
  // 33 MB of characters that JSON writes as six bytes each.
  escaped: [1, 2_000, 16_384, "\u0001"],
  // Rows: 1.6 million steps.
  large: [80_000, 20, 20],
  // The same for tests of a debug build.
  medium: [1_000, 20, 20],
};

const FILL = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
builds, steps, length = map(int, sys.argv[2:5])
db.execute("begin")
triggers = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
for name, _ in triggers: db.execute(f"drop trigger {name}")
db.execute("insert into builders (id, name, name_hash) values (1, 'b', 'e9d71f5ee7c92d6dc9e92ffdad17b8bd49418f98')")
text = (sys.argv[5:] or ["x"])[0] * (length - 12)
db.execute("""with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1)
  insert into builds (id, number, builderid, started_at, complete_at, locks_duration_s, state_string, results)
  select i, i, 1, 1700000000 + i, 1700000060 + i, 0, printf('build %06d', i) || ?2, 0 from n""", (builds, text))
db.execute("""with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?1 * ?2)
  insert into steps (number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results,
    urls_json, hidden)
  select i % ?2, 'step-' || (i % ?2), i / ?2 + 1, 1700000000, 1700000000, 1700000003,
    printf('done %07d', i) || ?3, 0, '[]', 0 from n""", (builds, steps, text))
for _, sql in triggers: db.execute(sql)
db.execute("commit")
`;

const TOUCH = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("update steps set state_string = state_string || '.'")
`;

const python = (script, ...args) => execFileSync("python3", ["-c", script, ...args.map(String)], { stdio: "inherit" });

// The file of a database of this shape in the directory. `copy` names a copy of its own.
export function database(dir, shape, copy) {
  const file = join(dir, `${shape}.sqlite`);
  if (!made.has(file)) {
    execFileSync(binary(), ["migrate", "--database-url", `sqlite://${file}?mode=rwc`], { stdio: "ignore" });
    python(FILL, file, ...SHAPES[shape]);
    made.add(file);
  }
  if (!copy) return file;
  copyFileSync(file, join(dir, copy));
  return join(dir, copy);
}
const made = new Set();

// Changes every step, which makes as many events.
export const changeEverything = (file) => python(TOUCH, file);
