# SPDX-License-Identifier: Apache-2.0
"""sluice sync: what is in the topic arrives in the table, exactly as ClickHouse itself would read it."""

import threading

import events
import stand
from events import sync_arguments


def test_a_topic_arrives_as_clickhouse_itself_would_have_read_it(kafka, clickhouse, sluice, topic, table):
    data = events.lines(50_000)
    kafka.create_topic(topic, 4)
    kafka.produce_lines(topic, data)
    events.create_table(clickhouse, table)
    events.create_table(clickhouse, f"{table}_reader")
    events.load_with_reader(clickhouse, f"{table}_reader", data)

    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)

    assert events.content(clickhouse, table) == events.content(clickhouse, f"{table}_reader")
    summary = run.json
    assert summary["caught_up"] is True
    assert summary["totals"]["read"] == summary["totals"]["inserted"] == 50_000
    offsets = kafka.committed(f"sluice-{topic}", topic)
    assert {p: c.offset for p, c in offsets.items()} == kafka.end_offsets(topic)
    assert all(c.metadata.startswith("slu1|D|") for c in offsets.values())


def test_the_second_run_loads_only_what_is_new(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 2)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(1000))
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)
    assert run.json["totals"]["read"] == 0
    kafka.produce_lines(topic, events.lines(500, seed=2))
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)
    assert run.json["totals"]["inserted"] == 500
    assert clickhouse.value(f"SELECT count() FROM {table}") == 1500


def test_an_empty_topic_is_caught_up(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 3)
    events.create_table(clickhouse, table)
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json")).expect(0)
    assert run.json["caught_up"] is True


def test_control_records_aborted_transactions_and_compacted_gaps_do_not_hang_it(
        kafka, clickhouse, sluice, topic, table):
    """case 32: offsets that are no records."""
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    kafka.produce_transaction(topic, [f'{{"n":{n}}}' for n in range(5)])
    kafka.produce_transaction(topic, [f'{{"n":{n}}}' for n in range(100, 105)], commit=False)
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json"), timeout=30).expect(0)
    assert run.json["totals"]["inserted"] == 5
    assert clickhouse.value(f"SELECT max(n) FROM {table}") == 4
    again = sluice(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json"), timeout=30).expect(0)
    assert again.json["totals"]["read"] == 0


def test_an_open_transaction_holds_nothing_up(kafka, clickhouse, sluice, topic, table):
    """case 32: an end before the end. The target is the last stable offset: what is open is left for the next run."""
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    kafka.produce(topic, ['{"n":1}'])
    producer = kafka.transactional_producer()
    producer.begin_transaction()
    producer.produce(topic, b'{"n":2}')
    producer.flush(30)
    sluice(*sync_arguments(kafka, clickhouse, topic, table), timeout=30).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 1
    producer.commit_transaction(30)
    kafka.wait_for_markers(topic)
    sluice(*sync_arguments(kafka, clickhouse, topic, table), timeout=30).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 2


def test_two_syncs_side_by_side_share_the_work_and_both_end(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 4)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(300_000))
    # As on two machines: on one, a second sync of the same pipeline is refused (--if-running).
    for name in ("one", "two"):
        (sluice.folder / name).mkdir()
    machines = [sluice.start(*sync_arguments(kafka, clickhouse, topic, table, "-o", "json"),
                             env={"XDG_RUNTIME_DIR": str(sluice.folder / name)}) for name in ("one", "two")]
    outcomes = [machine.wait(90).expect(0) for machine in machines]
    assert all(outcome.json["caught_up"] for outcome in outcomes)
    assert clickhouse.value(f"SELECT count() FROM {table}") >= 300_000
    assert clickhouse.value(f"SELECT uniqExact(id) FROM {table}") == 300_000


def test_many_pipelines_in_one_run_each_with_its_own_result(kafka, clickhouse, sluice, topic, table):
    config = [f'[kafka]\nbrokers = ["{kafka.bootstrap}"]\n[clickhouse]\nurl = "{clickhouse.url}"\n']
    for index in range(3):
        kafka.create_topic(f"{topic}_{index}", 2)
        kafka.produce_lines(f"{topic}_{index}", events.lines(100 * (index + 1)))
        config.append(f'[pipelines.p{index}]\ntopic = "{topic}_{index}"\ntable = "{table}_{index}"\n')
        if index != 1:
            events.create_table(clickhouse, f"{table}_{index}")
    (sluice.folder / "sluice.toml").write_text("\n".join(config))

    run = sluice("sync", "-o", "json").expect(78)  # p1's table is missing: the worst code wins
    results = {pipeline["name"]: pipeline for pipeline in run.json["pipelines"]}
    assert [results[f"p{i}"]["exit_code"] for i in range(3)] == [0, 78, 0]
    assert results["p2"]["inserted"] == 300
    assert clickhouse.value(f"SELECT count() FROM {table}_0") == 100

    run = sluice("sync", "p[02]", "-o", "json").expect(0)
    assert sorted(pipeline["name"] for pipeline in run.json["pipelines"]) == ["p0", "p2"]


def test_two_hundred_partitions_fit_in_the_memory_budget(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 200)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(400_000))
    run = sluice(*sync_arguments(kafka, clickhouse, topic, table, "--memory", "256MiB"), timeout=120).expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 400_000
    run.expect_resident(256 + 64)


def test_while_clickhouse_is_slow_memory_stays_bounded_and_the_group_is_kept(
        kafka, clickhouse, sluice, topic, table):
    import proxy
    kafka.create_topic(topic, 4)
    events.create_table(clickhouse, table)
    kafka.produce_lines(topic, events.lines(400_000))
    with proxy.Proxy(clickhouse.port) as slow:
        slow.rule = proxy.throttle(8_000_000)
        run = sluice(*sync_arguments(kafka, slow, topic, table, "--memory", "48MiB", "-o", "json"),
                     timeout=120).expect(0)
    assert run.json["totals"]["inserted"] == 400_000
    run.expect_resident(48 + 64)


def test_batches_are_cut_by_rows_and_bytes_as_configured(kafka, own_clickhouse, sluice, topic):
    clickhouse = own_clickhouse(query_log=True)
    kafka.create_topic(topic, 1)
    kafka.produce_lines(topic, events.lines(10_000))
    for table, flags, largest in [("t.by_rows", ["--batch-rows", "1000"], 1000),
                                  ("t.by_bytes", ["--batch-bytes", "100KiB"], 3000)]:
        events.create_table(clickhouse, table)
        sluice(*sync_arguments(kafka, clickhouse, topic, table, "--group", table, *flags)).expect(0)

        def logged():
            clickhouse.query("SYSTEM FLUSH LOGS")  # what is logged after its answer may be missing
            rows = clickhouse.rows(f"SELECT written_rows AS n FROM system.query_log WHERE type = 'QueryFinish' "
                                   f"AND query_kind = 'Insert' AND has(tables, '{table}')")
            return rows if sum(row["n"] for row in rows) >= 10_000 else None

        sizes = stand.wait_until(logged, 10, "the INSERTs in the log")
        assert sum(row["n"] for row in sizes) == 10_000
        assert max(row["n"] for row in sizes) <= largest
        assert len(sizes) >= 4


def test_a_table_with_a_type_we_cannot_encode_goes_as_json_each_row(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (n UInt32, j Dynamic, d String DEFAULT concat('n', toString(n))) "
                     f"ENGINE = MergeTree ORDER BY n")
    kafka.produce(topic, ['{"n":1,"j":{"a":1}}', '{"n":2,"j":"x","d":"given"}', '{\n"n":3}'])
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    rows = clickhouse.rows(f"SELECT n, d FROM {table} ORDER BY n")
    assert rows == [{"n": 1, "d": "n1"}, {"n": 2, "d": "given"}, {"n": 3, "d": "n3"}]


def test_missing_fields_get_the_default_as_clickhouse_evaluates_it_row_by_row(
        kafka, clickhouse, sluice, topic, table):
    ddl = ("(n UInt32, a UInt32 DEFAULT n * 2, b String DEFAULT concat('a', toString(a)), "
           "c Nullable(UInt8) DEFAULT 7, m UInt64 MATERIALIZED n + 1) ENGINE = MergeTree ORDER BY n")
    lines = ['{"n":1}', '{"n":2,"a":5}', '{"n":3,"b":"x"}', '{"n":4,"c":null}', '{"n":5,"a":null,"c":1}']
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} {ddl}")
    clickhouse.query(f"CREATE TABLE {table}_reader {ddl}")
    kafka.produce(topic, lines)
    events.load_with_reader(clickhouse, f"{table}_reader", "\n".join(lines).encode())
    sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(0)
    select = "SELECT n, a, b, c, m FROM {} ORDER BY n"
    assert clickhouse.rows(select.format(table)) == clickhouse.rows(select.format(f"{table}_reader"))


def test_names_that_do_not_match_fill_no_table_with_defaults(kafka, clickhouse, sluice, topic, table):
    kafka.create_topic(topic, 1)
    clickhouse.query(f"CREATE TABLE {table} (N UInt32, Name String) ENGINE = MergeTree ORDER BY N")
    kafka.produce(topic, ['{"n":1,"name":"a"}', '{"n":2}'])
    for _ in range(2):
        refused = sluice(*sync_arguments(kafka, clickhouse, topic, table)).expect(78)
        assert "no-column-for-any-field" in refused.stderr and "fields: n, name" in refused.stderr
    assert clickhouse.value(f"SELECT count() FROM {table}") == 0
    (sluice.folder / "sluice.toml").write_text(
        f'[kafka]\nbrokers = "{kafka.bootstrap}"\n[clickhouse]\nurl = "{clickhouse.url}"\n'
        f'[pipelines.p]\ntopic = "{topic}"\ntable = "{table}"\nunknown_fields = "ignore"\n')
    sluice("sync").expect(0)
    assert clickhouse.value(f"SELECT count() FROM {table}") == 2
