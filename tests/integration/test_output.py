# SPDX-License-Identifier: Apache-2.0
"""What a run against the real Kafka and the real ClickHouse tells, in every form it tells it in."""

import json

import events
import pytest
from events import sync_arguments


@pytest.fixture
def loaded(kafka, clickhouse, topic, table):
    """1,000 events in two partitions, and their table."""
    kafka.create_topic(topic, 2)
    kafka.produce_lines(topic, events.lines(1000))
    events.create_table(clickhouse, table)


@pytest.fixture
def with_bad_records(kafka, loaded, topic):
    kafka.produce_lines(topic, b'not json\n{"id":"canary-7f3a"}\n', partition=0)


def test_a_healthy_quiet_run_prints_nothing(kafka, clickhouse, sluice, topic, table, loaded):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-q")).expect(0)
    assert (run.stdout, run.stderr) == ("", "")


def test_a_quiet_run_with_rejects_says_so(kafka, clickhouse, sluice, topic, table, with_bad_records):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-q", "--on-error", "reject", "--reject-file",
                                 "r.jsonl")).expect(3)
    assert run.stdout == ""
    assert run.stderr == f"{topic}: 2 records rejected to file r.jsonl\n"


def test_the_table_and_how_it_ended(kafka, clickhouse, sluice, topic, table, loaded):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    header, row, blank, ending = run.stdout.splitlines()
    assert header.split() == "PIPELINE TABLE READ INSERTED REJECTED SKIPPED BYTES TIME RATE".split()
    assert row.split()[:6] == [topic, table, "1,000", "1,000", "0", "0"]
    assert ending.startswith("caught up with everything written before 2")


def test_the_log_says_how_the_pipeline_starts(kafka, clickhouse, sluice, topic, table, loaded):
    first = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert "pipeline started" in first.stderr and "start=earliest lag=1000" in first.stderr
    kafka.produce_lines(topic, events.lines(10))
    second = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert "start=committed lag=10" in second.stderr


def test_the_json_document(kafka, clickhouse, sluice, topic, table, with_bad_records):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json", "--on-error", "reject",
                                 "--reject-file", "r.jsonl")).expect(3)
    document = run.json
    assert list(document) == ["type", "v", "command", "run_id", "exit_code", "exit_reason", "version", "started_at",
                              "finished_at", "seconds", "caught_up", "totals", "pipelines"]
    assert (document["exit_code"], document["exit_reason"], document["caught_up"]) == (3, "rejected", True)
    (pipeline,) = document["pipelines"]
    for counts in (document["totals"], pipeline):
        assert counts["read"] == counts["inserted"] + counts["rejected"] + counts["skipped"] == 1002
    assert pipeline["rejects"] == {"by_reason": {"decode": 1, "type": 1}, "sink": "file:r.jsonl"}
    assert len(pipeline["partitions"]) == 2
    for partition in pipeline["partitions"]:
        assert partition["to"] == partition["end"] == partition["committed"]
        assert partition["lag"] == 0
    assert pipeline["last_record_at"].endswith("Z")


def test_the_lines_of_jsonl(kafka, clickhouse, sluice, topic, table, with_bad_records):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "jsonl", "--on-error", "reject",
                                 "--reject-file", "r.jsonl")).expect(3)
    kinds = [line["type"] for line in run.jsonl]
    assert kinds[0] == "start" and kinds[-1] == "summary" and kinds.count("reject") == 2
    reject = next(line for line in run.jsonl if line["type"] == "reject")
    assert {"pipeline", "topic", "partition", "offset", "reason", "message"} <= set(reject)
    assert "canary-7f3a" not in run.stdout + run.stderr, "values of records are never told"


@pytest.mark.parametrize("flags", [["-v"], ["--log-format", "json"]])
def test_every_insert_is_logged_with_its_size_and_offsets(kafka, clickhouse, sluice, topic, table, loaded, flags):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--batch-age", "1m", *flags)).expect(0)
    if flags == ["-v"]:
        (line,) = [line for line in run.stderr.splitlines() if " insert " in line]
        assert f"rows=1000 " in line and f"{topic}[0]" in line and "trigger=end" in line
    else:
        lines = [json.loads(line) for line in run.stderr.splitlines()]
        (insert,) = [line for line in lines if line["message"] == "insert"]
        assert insert["rows"] == 1000 and f"{topic}[0]" in insert["offsets"]


def test_without_verbose_a_text_log_has_no_inserts(kafka, clickhouse, sluice, topic, table, loaded):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    assert " insert " not in run.stderr
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--log-file", "run.log")).expect(0)
    assert "run finished" in (sluice.folder / "run.log").read_text()
    assert run.stderr == ""


def test_a_limit_is_5_and_the_next_run_goes_on(kafka, clickhouse, sluice, topic, table, loaded):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--max-rows", "100", "-o", "json")).expect(5)
    assert run.json["exit_reason"] == "limit" and not run.json["caught_up"]
    first = run.json["totals"]["inserted"]
    assert 100 <= first < 1000
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)
    assert first + run.json["totals"]["inserted"] == 1000
    assert clickhouse.value(f"SELECT count() FROM {table}") == 1000


def test_no_data_has_a_code_of_its_own(kafka, clickhouse, sluice, topic, table, loaded):
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--no-data-exit-code", "9")).expect(0)
    sluice(*sync_arguments(kafka, clickhouse, topic, table, "--no-data-exit-code", "9")).expect(9)


def test_progress_as_json_and_as_lines(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    kafka.produce_lines(topic, events.lines(20000))
    events.create_table(clickhouse, table)
    slow = ["--batch-rows", "200", "-j", "1", "--progress-interval", "50ms"]
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--progress", "json", *slow)).expect(0)
    lines = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    assert lines and all(line["type"] == "progress" and line["of"] == 20000 for line in lines)
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--group", "again", "--from", "earliest",
                                 *slow)).expect(0)
    assert f" progress pipeline={topic} read=" in run.stderr


def test_statistics_are_on_stderr(kafka, clickhouse, sluice, topic, table, loaded):
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--stats", "-q")).expect(0)
    assert run.stderr.split()[:4] == ["PIPELINE", "TABLE", "POLL", "DECODE"]


def test_the_last_success_survives_a_failure(kafka, clickhouse, sluice, topic, table, loaded):
    summary = ["--summary-file", "s.prom"]
    sluice(*sync_arguments(kafka, clickhouse, topic, table, *summary)).expect(0)
    line = next(line for line in (sluice.folder / "s.prom").read_text().splitlines()
                if line.startswith("sluice_run_last_success"))
    clickhouse.query(f"DROP TABLE {table}")
    sluice(*sync_arguments(kafka, clickhouse, topic, table, *summary)).expect(78)
    text = (sluice.folder / "s.prom").read_text()
    assert line in text and f'sluice_run_exit_code{{command="sync",pipeline="{topic}"}} 78' in text


def test_fail_fast_stops_the_others(kafka, clickhouse, sluice, topic, table, loaded):
    broken = "".join(f'[pipelines.z{number}]\ntopic = "{topic}"\ntable = "{table}"\n' for number in range(8))
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        f'[defaults]\nbatch = {{ rows = 10 }}\n[pipelines.a]\ntopic = "{topic}"\ntable = "t.no_such"\n{broken}')
    run = sluice("sync", "--fail-fast", "-o", "json").expect(78)
    codes = {pipeline["name"]: pipeline["exit_code"] for pipeline in run.json["pipelines"]}
    assert codes["a"] == 78
    assert run.json["pipeline"] == "a" and run.json["slug"] == "table-missing"
    assert set(codes.values()) <= {78, 5, 0}, codes


def test_the_second_server_is_tried_when_the_first_is_away(kafka, clickhouse, sluice, topic, table, loaded):
    """case 24: another address of the same table."""
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurls = ["http://127.0.0.1:1", "{clickhouse.url}"]\n'
        f'[pipelines.a]\ntopic = "{topic}"\ntable = "{table}"\n')
    run = sluice("sync", "--retry-max-time", "2s").expect(0)
    assert "clickhouse-next-server" in run.stderr
    assert clickhouse.value(f"SELECT count() FROM {table}") == 1000
