// The databases that a master can use, and how to read their schemas.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { HERE, given, run } from "./run.mjs";

let made = 0;

export const KINDS = ["SQLite", "PostgreSQL", "MariaDB"];

// The feed's triggers, each with its table.
export const TRIGGERS = [
  ["builders", "graphql_builders_insert"], ["builders", "graphql_builders_update"],
  ["builders_tags", "graphql_builders_tags_insert"], ["builders_tags", "graphql_builders_tags_delete"],
  ["builds", "graphql_builds_insert"], ["builds", "graphql_builds_update"],
  ["steps", "graphql_steps_insert"], ["steps", "graphql_steps_update"],
  ["logs", "graphql_logs_insert"], ["logs", "graphql_logs_update"],
];

// A new database for a master in this folder. `theirs` is its URL for Buildbot, `ours` is ours.
export const makeDatabase = (kind, dir) => ({ SQLite: sqlite, PostgreSQL: postgresql, MariaDB: mariadb })[kind](dir);

const python = () => given("BUILDBOT_PYTHON");
const ask = async (url, statements) =>
  JSON.parse(await run(python(), [join(HERE, "sql.py"), url], { input: JSON.stringify(statements) }));

function sqlite(dir) {
  const path = join(dir, "state.sqlite");
  return {
    theirs: `sqlite:///${path}`,
    ours: `sqlite://${path}?mode=rw`,
    sql: (...statements) => ask(path, statements),
    schema: () => ask(path, [".schema"]),
    dropTrigger: (_, name) => `DROP TRIGGER ${name}`,
    drop: async () => rmSync(path, { force: true }),
  };
}

const newName = () => `beside_${process.pid}_${(made += 1)}`;

async function postgresql() {
  const server = given("POSTGRES_URL");
  const name = newName();
  const url = `${server}/${name}`;
  await ask(`${server}/postgres`, [`CREATE DATABASE ${name}`]);
  return {
    theirs: url.replace("postgres:", "postgresql+psycopg2:"),
    ours: url,
    sql: (...statements) => ask(url, statements),
    async schema() {
      const dump = await run(join(given("POSTGRES_BIN"), "pg_dump"), ["--schema-only", url]);
      // A random word, since PostgreSQL 15.14.
      return dump.split("\n").filter((line) => !/^\\(un)?restrict /.test(line));
    },
    dropTrigger: (table, name) => `DROP TRIGGER ${name} ON ${table}`,
    drop: () => ask(`${server}/postgres`, [`DROP DATABASE ${name} WITH (FORCE)`]),
  };
}

async function mariadb() {
  const server = given("MARIADB_URL");
  const name = newName();
  const url = `${server}/${name}`;
  // As Buildbot's manual recommends.
  await ask(`${server}/mysql`, [`CREATE DATABASE ${name} CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci`]);
  return {
    theirs: `${url.replace("mysql:", "mysql+pymysql:")}?storage_engine=InnoDB`,
    ours: url,
    sql: (...statements) => ask(url, statements),
    schema: () => ask(url, [".schema"]),
    dropTrigger: (_, name) => `DROP TRIGGER ${name}`,
    drop: () => ask(`${server}/mysql`, [`DROP DATABASE ${name}`]),
  };
}
