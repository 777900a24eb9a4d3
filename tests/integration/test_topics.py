# SPDX-License-Identifier: Apache-2.0
"""topics_regex: many topics into one table, each read by a pipeline of its own; topics come and go."""

import pytest


def lines(first, count):
    return [f'{{"n":{n}}}' for n in range(first, first + count)]


@pytest.fixture
def numbers(clickhouse, table):
    clickhouse.query(f"CREATE TABLE {table} (n UInt32) ENGINE = MergeTree ORDER BY n")
    return lambda: [row["n"] for row in clickhouse.rows(f"SELECT n FROM {table} ORDER BY n")]


@pytest.fixture
def regions(kafka, clickhouse, sluice, topic, table, numbers):
    """Makes the topic of a region; the pipeline "regions" reads those of two letters."""
    (sluice.folder / "sluice.toml").write_text(f"""
[kafka]
brokers = ["{kafka.bootstrap}"]
[kafka.properties]
"topic.metadata.refresh.interval.ms" = 500
[clickhouse]
url = "{clickhouse.url}"
[pipelines.regions]
topics_regex = '^{topic}\\.[a-z]{{2}}\\.events$'
table = "{table}"
group = "{topic}"
on_error = "reject"
reject = {{ file = "rejects.jsonl" }}
""")
    kafka.create_topic(f"{topic}.world.events", 1)
    kafka.produce(f"{topic}.world.events", lines(9000, 1))

    def make(region, records=()):
        name = f"{topic}.{region}.events"
        kafka.create_topic(name, 2)
        if records:
            kafka.produce(name, records)
        return name
    return make


def test_sync_loads_every_topic_that_matches_and_a_new_one_the_next_time(
        kafka, clickhouse, sluice, topic, regions, numbers):
    german = regions("de", lines(0, 100))
    regions("fr", lines(100, 100))
    run = sluice("sync", "regions", "-o", "json").expect(0)
    assert numbers() == list(range(200))
    assert sorted(p["name"] for p in run.json["pipelines"]) == [f"regions:{german}", f"regions:{topic}.fr.events"]
    regions("it", lines(200, 100))
    kafka.produce(german, ["broken", *lines(300, 50)])
    run = sluice("sync", "-o", "json").expect(3)
    assert numbers() == list(range(350)), "what is new, of topics new and known, and nothing twice"
    assert sum(c.offset for c in kafka.committed(f"{topic}:{german}", german).values()) == 151
    listed = sluice("rejects", "regions").expect(0)
    assert "broken" in listed.stdout or german in listed.stdout
    run = sluice("sync", "-o", "json").expect(0)
    assert run.json["totals"]["read"] == 0 and run.json["caught_up"] is True


def test_no_topic_that_matches_is_78(kafka, sluice, topic, regions, numbers):
    for command in (["sync"], ["status"], ["status", "--verify"], ["check", "--online"]):
        run = sluice(*command).expect(78)
        told = run.stdout + run.stderr
        assert "no topic matches" in told and topic in told and run.seconds < 9, run


def test_groups_that_all_lost_their_offsets_stop_and_ask(kafka, clickhouse, sluice, topic, table, regions, numbers):
    clickhouse.query(f"INSERT INTO {table} VALUES (7)")
    regions("de", lines(0, 10))
    assert "--from" in sluice("sync").expect(78).stderr
    sluice("sync", "--from", "earliest").expect(0)
    assert len(numbers()) == 11


def test_check_knows_it_and_says_where_it_is_wrong(sluice, topic, regions):
    assert f"topics that match ^{topic}" in sluice("check").expect(0).stdout
    file = sluice.folder / "sluice.toml"
    good = file.read_text()
    for wrong, line, message in [("topics_regex = '^(a'", 9, "no regular expression"),
                                 ("topics_regex = '^a'\ntopic = \"b\"", 9, "exclude each other"),
                                 ("topics_regex = '^a'\ngroup = \"g-{topic}\"", 10, "no one {topic}")]:
        kept = [text for text in good.splitlines() if not text.startswith(("topics_regex", "group"))]
        at = kept.index("[pipelines.regions]") + 1
        file.write_text("\n".join([*kept[:at], wrong, *kept[at:]]))
        run = sluice("check").expect(78)
        assert f"sluice.toml:{line}:" in run.stderr and message in run.stderr, run


def test_tail_takes_up_topics_that_come_and_tells_those_that_go(
        kafka, clickhouse, sluice, topic, regions, numbers):
    german, french = regions("de", lines(0, 10)), regions("fr", lines(10, 10))
    run = sluice.start("tail", "-v", "-o", "json")
    run.wait_until(lambda: len(numbers()) == 20, 40, "the first rows")
    regions("it", lines(20, 10))
    run.wait_until(lambda: len(numbers()) == 30, 40, "the rows of the new topic")
    kafka.produce(german, lines(30, 10))
    run.wait_until(lambda: len(numbers()) == 40, 40, "rows of a topic that was there before")
    assert run.stderr.count("pipeline started") == 3, "nothing started again"
    kafka.delete_topic(french)
    run.wait_for_stderr(f"topic {french} is gone", 40)
    kafka.produce(german, lines(40, 10))
    run.wait_until(lambda: len(numbers()) == 50, 40, "rows after a topic went")
    outcome = run.stop(60)
    assert numbers() == list(range(50))
    assert outcome.json["totals"]["inserted"] == 50


def test_tail_reads_a_topic_that_is_back_from_its_beginning(kafka, sluice, topic, regions, numbers):
    """Made anew it is another one, whether it has fewer records than the old one had or more."""
    french, italian = regions("fr", lines(0, 20)), regions("it", lines(100, 20))
    regions("de", lines(200, 20))
    run = sluice.start("tail", "--batch-age", "100ms", "--drain-timeout", "500ms")
    for name in (french, italian):
        run.wait_until(lambda: sum(c.offset for c in kafka.committed(f"{topic}:{name}", name).values()) == 20, 40,
                       "the commit behind the first rows")
        kafka.delete_topic(name)
    for name in (french, italian):
        run.wait_for_stderr(f"pipeline finished pipeline=regions:{name}", 40)
    regions("fr", lines(300, 10))
    regions("it", lines(400, 50))
    run.wait_until(lambda: len(numbers()) == 120, 40, "the rows of the topics that are back")
    run.stop(60)
    old = [*range(20), *range(100, 120), *range(200, 220)]
    assert numbers() == [*old, *range(300, 310), *range(400, 450)]


def test_tail_waits_for_the_first_topic(kafka, clickhouse, sluice, topic, regions, numbers):
    run = sluice.start("tail", "--batch-age", "200ms")
    run.wait_for_stderr("no topic matches", 40)
    regions("de", lines(0, 10))
    run.wait_until(lambda: len(numbers()) == 10, 40, "the rows of the first topic")
    run.stop(60).expect(0)


def test_status_shows_every_topic_and_backfill_wants_one(kafka, sluice, topic, regions, numbers):
    german = regions("de", lines(0, 10))
    regions("fr", lines(10, 10))
    sluice("sync", "-q").expect(0)
    kafka.produce(german, lines(20, 5))
    shown = {pipeline["name"]: pipeline for pipeline in sluice("status", "-o", "json").json["pipelines"]}
    assert shown[f"regions:{german}"]["lag"] == 5 and shown[f"regions:{topic}.fr.events"]["lag"] == 0
    run = sluice("backfill", "regions", "--range", "start:end").expect(2)
    assert "topics_regex" in run.stderr


def test_check_and_verify_look_at_every_topic(kafka, clickhouse, sluice, topic, table, regions):
    clickhouse.query(f"CREATE OR REPLACE TABLE {table} (n UInt32, _topic LowCardinality(String), _partition Int32, "
                     "_offset Int64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000")
    topics = [regions("de", lines(0, 10)), regions("fr", lines(10, 10))]
    file = sluice.folder / "sluice.toml"
    rejects = f"{topic}.kept"
    kafka.create_topic(rejects)
    file.write_text(file.read_text().replace('file = "rejects.jsonl"', f'topic = "{rejects}"')
                    + 'delivery = "exactly-once"\n')
    told = sluice("check", "--online")
    for name in topics:
        assert f"topic {name}: read allowed" in told.stdout and f" regions:{name}  exactly-once" in told.stdout, told
    assert "is no name of a Kafka topic" not in told.stdout
    assert f"{topic}.world.events" not in told.stdout
    kafka.produce(topics[1], ["broken"])
    file.write_text(file.read_text().replace('delivery = "exactly-once"', ""))
    sluice("sync").expect(3)
    proof = sluice("status", "--verify", "-o", "json").expect(0).json
    assert proof["proven"] is True and [one["topic"] for one in proof["pipelines"]] == topics
    shown = sluice("status", "--max-rejects", "1", "-o", "json").expect(0).json["pipelines"]
    assert [one["rejected_24h"] for one in shown] == [1, None], "what the topics share is counted once"
