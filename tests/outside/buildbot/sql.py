"""Plain SQL for the tests: sql.py URL, statements as a JSON list on stdin, the rows of the last one on stdout.

URL is the path of an SQLite file, or a PostgreSQL or MariaDB URL. `.schema` prints the schema of SQLite or MariaDB.
"""

import json
import re
import sqlite3
import sys
from urllib.parse import urlsplit

url, statements = sys.argv[1], json.load(sys.stdin)
if url.startswith("postgres"):
    import psycopg2

    connection = psycopg2.connect(url)
    # CREATE DATABASE cannot run in a transaction.
    connection.autocommit = True
elif url.startswith("mysql"):
    import pymysql

    to = urlsplit(url)
    connection = pymysql.connect(host=to.hostname, port=to.port, user=to.username, database=to.path[1:], autocommit=True)
else:
    connection = sqlite3.connect(url, timeout=30, isolation_level=None)


def rows(statement):
    cursor = connection.cursor()
    cursor.execute(statement)
    return [list(row) for row in cursor.fetchall()] if cursor.description else []


def schema():
    """The schema without page numbers, and the rows of tables that are not Buildbot's."""
    if url.startswith("mysql"):
        tables = [row for (name,) in rows("SHOW TABLES") for row in rows(f"SHOW CREATE TABLE {name}")]
        # The next id is not part of the schema.
        tables = [[name, re.sub(r" AUTO_INCREMENT=\d+", "", sql)] for name, sql in tables]
        triggers = "SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = database()"
        routines = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database()"
        return tables + rows(f"{triggers} ORDER BY 1") + rows(f"{routines} ORDER BY 1")
    found = rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
    if any(name == "sqlite_sequence" for _, name, _, _ in found):
        found += rows("SELECT * FROM sqlite_sequence ORDER BY name")
    pragmas = ("journal_mode", "user_version", "application_id", "encoding", "auto_vacuum", "page_size")
    return found + [[name, *rows(f"PRAGMA {name}")[0]] for name in pragmas]


result = []
for statement in statements:
    result = schema() if statement == ".schema" else rows(statement)
json.dump(result, sys.stdout)
