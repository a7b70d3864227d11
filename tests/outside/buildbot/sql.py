"""Plain SQL for the tests: sql.py URL, statements as a JSON list on stdin, the rows of the last on stdout.

URL is a path of SQLite's, or PostgreSQL's. `.schema` is what SQLite knows of itself.
"""

import json
import sqlite3
import sys

url, statements = sys.argv[1], json.load(sys.stdin)
if url.startswith("postgres"):
    import psycopg2

    connection = psycopg2.connect(url)
    # CREATE DATABASE runs in no transaction.
    connection.autocommit = True
else:
    connection = sqlite3.connect(url, timeout=30, isolation_level=None)


def rows(statement):
    cursor = connection.cursor()
    cursor.execute(statement)
    return [list(row) for row in cursor.fetchall()] if cursor.description else []


def schema():
    """Everything but the rows of Buildbot's tables and where pages lie."""
    found = rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
    if any(name == "sqlite_sequence" for _, name, _, _ in found):
        found += rows("SELECT * FROM sqlite_sequence ORDER BY name")
    pragmas = ("journal_mode", "user_version", "application_id", "encoding", "auto_vacuum", "page_size")
    return found + [[name, *rows(f"PRAGMA {name}")[0]] for name in pragmas]


result = []
for statement in statements:
    result = schema() if statement == ".schema" else rows(statement)
json.dump(result, sys.stdout)
