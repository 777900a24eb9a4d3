# SPDX-License-Identifier: Apache-2.0
"""`sluice check --online` of a pipeline with delivery = "exactly-once": which requirements a table meets, and
what mends the others."""

import pytest


@pytest.fixture
def check(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, partitions=2)
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        f'[pipelines.shop]\ntopic = "{topic}"\ntable = "{table}"\ndelivery = "exactly-once"\n')

    def run(code):
        found = sluice("check", "--online", "-o", "json").expect(code).json["findings"]
        return {finding["details"]["requirement"]: finding for finding in found
                if "requirement" in finding.get("details", {})}

    return run


def test_what_check_says_mends_a_table_that_cannot_keep_the_promise(check, clickhouse, sluice, table):
    clickhouse.query(f"CREATE TABLE {table} (n UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY n "
                     "SETTINGS async_insert = 1")
    clickhouse.query(f"CREATE TABLE {table}_sums (n UInt64) ENGINE = SummingMergeTree ORDER BY n")
    clickhouse.query(f"CREATE MATERIALIZED VIEW {table}_mv TO {table}_sums AS SELECT n FROM {table}")
    clickhouse.query(f"CREATE MATERIALIZED VIEW {table}_own ENGINE = MergeTree ORDER BY n "
                     f"SETTINGS non_replicated_deduplication_window = 1000000 AS SELECT n FROM {table}_sums")
    found = check(78)
    levels = {name: finding["level"] for name, finding in found.items()}
    assert levels == {"P1": "ok", "P2": "error", "P3": "error", "P4": "error", "P5": "ok", "P6": "ok",
                      "P7": "warning", "P8": "error", "P9": "ok", "P10": "ok", "P11": "ok", "P12": "ok",
                      "P13": "ok", "P14": "warning", "P15": "ok"}
    for finding in found.values():
        if finding["level"] == "error":
            assert finding["fix"].startswith("ALTER TABLE "), finding
            clickhouse.query(finding["fix"])
    mended = check(0)
    assert mended["P3"]["text"].count("is safely sent again within") == 1
    assert "_topic, _partition, _offset" in mended["P14"]["text"]
    sluice("sync").expect(0)


def test_what_cannot_be_mended_by_a_setting_is_told_too(check, clickhouse, table):
    clickhouse.query(f"CREATE TABLE {table} (n UInt64, day Date DEFAULT today()) ENGINE = MergeTree "
                     "PARTITION BY toYYYYMM(day) ORDER BY n TTL day + INTERVAL 1 YEAR")
    found = check(78)
    assert "column day, which is today()" in found["P6"]["text"]
    assert "TTL" in found["P14"]["text"] or "where they came from" in found["P14"]["text"]


def test_a_table_without_the_topic_of_its_rows_cannot_tell_what_landed(check, clickhouse, table):
    """Rows of two topics with the same partition and offset look alike."""
    clickhouse.query(f"CREATE TABLE {table} (n UInt64, _partition Int32, _offset Int64) ENGINE = MergeTree ORDER BY n "
                     "SETTINGS non_replicated_deduplication_window = 1000000")
    found = check(78)
    assert found["P14"]["level"] == "warning" and "_topic" in found["P14"]["text"]
    clickhouse.query(found["P2"]["fix"])
    assert check(0)["P14"]["level"] == "ok"
