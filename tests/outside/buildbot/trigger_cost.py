"""The time that each kind of write takes, one transaction each as a master's: trigger_cost.py URL FIRST COUNT.

URL as in sql.py. Rows get COUNT ids from FIRST on. Prints lists of microseconds by statement, as JSON.
"""

import json
import sqlite3
import sys
import time
from urllib.parse import urlsplit

url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if url.startswith("postgres"):
    import psycopg2

    connection = psycopg2.connect(url)
    connection.autocommit = True
elif url.startswith("mysql"):
    import pymysql

    to = urlsplit(url)
    connection = pymysql.connect(host=to.hostname, port=to.port, user=to.username, database=to.path[1:], autocommit=True)
else:
    connection = sqlite3.connect(url, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
cursor = connection.cursor()

# What the rows refer to, once.
PARENTS = [
    "INSERT INTO masters (id, name, name_hash, active, last_active) VALUES (1, 'm', 'm', 0, 0)",
    "INSERT INTO workers (id, name, info, paused, graceful) VALUES (1, 'w', '{}', 0, 0)",
    "INSERT INTO builders (id, name, name_hash) VALUES (1, 'b', 'b')",
    "INSERT INTO buildsets (id, submitted_at, complete) VALUES (1, 0, 0)",
    "INSERT INTO buildrequests (id, buildsetid, builderid, priority, complete, submitted_at) VALUES (1, 1, 1, 0, 0, 0)",
]
STATEMENTS = {
    "INSERT INTO builders": "INSERT INTO builders (id, name, name_hash) VALUES ({n}, 'builder {n}', '{n}')",
    "UPDATE builders": "UPDATE builders SET description = 'what it builds' WHERE id = {n}",
    "INSERT INTO builders_tags": "INSERT INTO builders_tags (id, builderid, tagid) VALUES ({n}, {n}, 1)",
    "DELETE FROM builders_tags": "DELETE FROM builders_tags WHERE builderid = {n}",
    "INSERT INTO builds": "INSERT INTO builds (id, number, builderid, buildrequestid, workerid, masterid, started_at, locks_duration_s, state_string) "
    "VALUES ({n}, {n}, 1, 1, 1, 1, 1700000000, 0, 'created')",
    "UPDATE builds": "UPDATE builds SET state_string = 'building' WHERE id = {n}",
    "INSERT INTO steps": "INSERT INTO steps (id, number, name, buildid, state_string, urls_json, hidden) VALUES ({n}, {n}, 'step {n}', {n}, 'pending', '[]', 0)",
    "UPDATE steps": "UPDATE steps SET state_string = 'compiling all that is needed' WHERE id = {n}",
}

cursor.execute("SELECT count(*) FROM masters")
if cursor.fetchone()[0] == 0:
    cursor.execute("INSERT INTO tags (id, name, name_hash) VALUES (1, 't', 't')")
    for statement in PARENTS:
        cursor.execute(statement)
took = {}
for what, statement in STATEMENTS.items():
    took[what] = []
    for n in range(first, first + count):
        sql = statement.format(n=n)
        start = time.perf_counter_ns()
        cursor.execute(sql)
        took[what].append((time.perf_counter_ns() - start) / 1000)
json.dump(took, sys.stdout)
