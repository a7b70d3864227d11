"""How long a master waits for its database: a line of JSON for each write statement and commit, for measure.mjs.

`what` is the start of the statement. In milliseconds: `took` from call to return; of that `lock` waiting for a lock of
the database (null if unknown), `cpu` working in this thread, `queue` runnable while others had the processors
(including PostgreSQL's process for this connection), and `garbage` in Python's garbage collection, which stops all
threads. The rest is the disk, the database's work and Python's global lock. `at` is the time of return on the monotonic
clock. A commit lists the step changes that it made visible in `steps`.
"""

import gc
import json
import re
import sqlite3
import threading
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

WRITES = re.compile(r"\s*((?:INSERT INTO|UPDATE|DELETE FROM|REPLACE INTO) \w+)", re.IGNORECASE)
# PostgreSQL logs every wait for a lock of over a millisecond.
WAITED = re.compile(r"acquired \w+ on .* after ([\d.]+) ms")
# The column that decides the kind of a step's change.
KINDS = (("complete_at", "finished"), ("started_at", "started"))


class Garbage:
    """The time spent in garbage collection, in nanoseconds."""

    before = 0
    since = None

    @classmethod
    def collect(cls, phase, info):
        if phase == "start":
            cls.since = time.monotonic_ns()
        else:
            cls.before, cls.since = cls.total(), None

    @classmethod
    def total(cls):
        since = cls.since
        return cls.before + (time.monotonic_ns() - since if since else 0)


class Watch:
    """The clocks of this thread and of its database process, since construction."""

    def __init__(self, dbapi):
        pid = dbapi.get_backend_pid() if hasattr(dbapi, "get_backend_pid") else None
        self.queues = ["thread-self", *([pid] if pid else [])]
        self.start = self._now()
        # MariaDB does not report lock waits.
        self.lock = None if "pymysql" in type(dbapi).__module__ else 0.0

    def _now(self):
        queue = 0
        for each in self.queues:
            with open(f"/proc/{each}/schedstat") as file:
                queue += int(file.read().split()[1])
        return time.monotonic_ns(), time.thread_time_ns(), queue, Garbage.total()

    def stop(self):
        end = self._now()
        took, cpu, queue, garbage = ((after - before) / 1e6 for before, after in zip(self.start, end))
        return {"at": end[0] / 1e6, "took": took, "lock": self.lock, "cpu": cpu, "queue": queue, "garbage": garbage}


def change(statement, values):
    """The change of a step, or None: its kind, and its stepid, or its build and number."""
    if statement.upper() == "INSERT INTO STEPS":
        return ["new", values["buildid"], values["number"]]
    if statement.upper() == "UPDATE STEPS":
        kind = next((kind for column, kind in KINDS if column in values), "updated")
        return [kind, values["id_1"]]
    return None


def begin(dbapi):
    """Takes the SQLite lock that the next statement needs, and returns how long another connection held it."""
    [patience] = dbapi.execute("PRAGMA busy_timeout").fetchone()
    dbapi.execute("PRAGMA busy_timeout = 0")
    try:
        dbapi.execute("BEGIN IMMEDIATE")
        return 0.0
    except sqlite3.OperationalError:
        start = time.monotonic_ns()
    finally:
        dbapi.execute(f"PRAGMA busy_timeout = {patience}")
    dbapi.execute("BEGIN IMMEDIATE")
    return (time.monotonic_ns() - start) / 1e6


def install(path):
    out = open(path, "a", buffering=1)
    here = threading.local()

    def write(what, watch, **more):
        out.write(json.dumps({"what": what, **watch.stop(), **more}) + "\n")

    def before(conn, cursor, statement, parameters, context, executemany):
        found = WRITES.match(statement)
        here.watch = here.what = None
        if not found:
            return
        here.wrote = True
        here.what = found[1]
        dbapi = conn.connection.dbapi_connection
        here.watch = Watch(dbapi)
        if conn.dialect.name == "sqlite" and not dbapi.in_transaction:
            here.watch.lock = begin(dbapi)

    def after(conn, cursor, statement, parameters, context, executemany):
        if here.watch is None:
            return
        notices = getattr(conn.connection.dbapi_connection, "notices", None)
        if notices:
            here.watch.lock = sum(float(ms) for notice in notices for ms in WAITED.findall(notice))
            del notices[:]
        write(here.what, here.watch)
        values = context.compiled_parameters[0] if context.compiled_parameters else {}
        made = change(here.what, values)
        if made:
            here.__dict__.setdefault("steps", []).append(made)

    def failed(context):
        if getattr(here, "watch", None) is not None:
            write(here.what, here.watch, failed=str(context.original_exception))
            here.watch = None

    def connected(dbapi, record):
        if hasattr(dbapi, "notices"):
            with dbapi.cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '1ms'; SET log_lock_waits = on; SET client_min_messages = log")
            dbapi.commit()

    def rolled_back(conn):
        here.wrote, here.steps = False, []

    commits = DefaultDialect.do_commit

    def commit(self, dbapi):
        if not getattr(here, "wrote", False):
            return commits(self, dbapi)
        steps = here.__dict__.get("steps", [])
        here.wrote, here.steps = False, []
        watch = Watch(getattr(dbapi, "dbapi_connection", dbapi))
        commits(self, dbapi)
        write("COMMIT", watch, steps=steps)

    gc.callbacks.append(Garbage.collect)
    DefaultDialect.do_commit = commit
    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "handle_error", failed)
    event.listen(Engine, "connect", connected)
    event.listen(Engine, "rollback", rolled_back)
