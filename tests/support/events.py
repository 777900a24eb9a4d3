# SPDX-License-Identifier: Apache-2.0
"""The bench events, produced to a real topic, and the comparison of a table with what ClickHouse's own
JSONEachRow reader makes of the same lines."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS = "id, ts, user_id, session, page, country, duration_ms, amount, ok, ref"
READER_SETTINGS = {"date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 1,
                   "input_format_null_as_default": 1, "input_format_defaults_for_omitted_fields": 1}


def generator():
    binary = os.environ.get("SLUICE_BIN")
    build = Path(binary).resolve().parent.parent if binary else ROOT / "build/release"
    return build / "bench/bench_events"


def lines(count, seed=1):
    """`count` events as JSON lines, bytes."""
    return subprocess.run([generator(), str(count), "--seed", str(seed)], check=True,
                          capture_output=True).stdout


def create_table(clickhouse, table, settings=""):
    ddl = subprocess.run([generator(), "--ddl", table], check=True, capture_output=True,
                         text=True).stdout.rstrip().rstrip(";")
    clickhouse.query(f"{ddl} {settings}")


def load_with_reader(clickhouse, table, data):
    clickhouse.query(f"INSERT INTO {table} FORMAT JSONEachRow", body=data, **READER_SETTINGS)


def content(clickhouse, table, columns=COLUMNS):
    """(rows, hash over all columns), independent of the order of rows, sensitive to doubled ones."""
    row = clickhouse.rows(f"SELECT count() AS rows, sum(cityHash64({columns})) AS hash FROM {table}")[0]
    return row["rows"], row["hash"]


def distinct_content(clickhouse, table, columns=COLUMNS):
    """The same of the distinct rows: equal when nothing is missing, doubled or not."""
    row = clickhouse.rows(f"SELECT count() AS rows, sum(hash) AS hash FROM "
                          f"(SELECT DISTINCT cityHash64({columns}) AS hash FROM {table})")[0]
    return row["rows"], row["hash"]


def sync_arguments(kafka, clickhouse, topic, table, *more):
    """The command as a user types it."""
    return ["sync", "-b", getattr(kafka, "bootstrap", kafka), "-t", topic,
            "--clickhouse", getattr(clickhouse, "url", clickhouse), "--table", table, *more]
