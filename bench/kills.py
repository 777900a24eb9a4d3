# SPDX-License-Identifier: Apache-2.0
"""`bench/modes --kills`: sluice is killed and frozen at random moments, and afterwards the rows are
compared with the topic."""

import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from measure import CommandFailed, clean_environment
from stand import start_process, wait_until

PARTITIONS = 2
RECORDS = 40_000     # of a snapshot or a backfill
BURST = 3_000        # written between two kills of the workers
SESSION_MS = 2_000
END_TIMEOUT = 180.0


@dataclass
class Tally:
    """Of one story: what was done to sluice, and how the rows differ from the topic afterwards."""

    story: str
    kills: int = 0
    pauses: int = 0
    stops: int = 0
    records: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list = field(default_factory=list)  # whatever else was not as it has to be


class Program:
    """A running sluice; what it says is in a file."""

    def __init__(self, binary, folder, name, *arguments):
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self._process = start_process([binary, *arguments], env=clean_environment(folder), cwd=folder,
                                          stdout=log, stderr=log)

    @property
    def said(self):
        return self.log.read_text(errors="replace")

    @property
    def running(self):
        return self._process.poll() is None

    def send(self, number):
        if self.running:
            self._process.send_signal(number)

    def kill(self):
        """Says whether it still ran."""
        ran = self.running
        self._process.kill()
        self._process.wait()
        return ran

    def wait(self, timeout=END_TIMEOUT):
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise CommandFailed(f"sluice did not end within {timeout:g} s:\n{self.said[-3000:]}") from None


class Story:
    """A topic of numbers, a table that says where each row is from, a configuration for both."""

    def __init__(self, stage, binary, name, exactly_once, seed):
        self.stage, self.binary, self.name = stage, binary, name
        self.table, self.exactly_once = f"t.{name}", exactly_once
        self.moments = random.Random(f"{seed} {name}")
        self.produced = 0
        self._programs = 0
        level = "exactly-once" if exactly_once else "at-least-once"
        self.tally = Tally(f"{name.rpartition('_')[0]}, {level}")
        stage.kafka.create_topic(name, PARTITIONS)
        self.create(self.table)
        self.config = stage.folder / f"{name}.toml"
        self.config.write_text(
            f'[kafka]\nbrokers = "{stage.kafka.bootstrap}"\n[kafka.properties]\n'
            f'"session.timeout.ms" = {SESSION_MS}\n"heartbeat.interval.ms" = 400\n'
            f'[clickhouse]\nurl = "{stage.clickhouse.url}"\n'
            f'[pipelines.p]\ntopic = "{name}"\ntable = "{self.table}"\ngroup = "{name}"\n'
            f'delivery = "{level}"\n')

    def create(self, table):
        self.stage.clickhouse.query(
            f"CREATE TABLE {table} (n UInt64, _topic LowCardinality(String), _partition Int32, _offset Int64) "
            "ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000000")

    def produce(self, count):
        first, self.produced = self.produced, self.produced + count
        for partition in range(PARTITIONS):
            self.stage.kafka.produce_lines(self.name, "".join(
                f'{{"n":{n}}}\n' for n in range(first, self.produced) if n % PARTITIONS == partition), partition)

    def start(self, command, *flags):
        self._programs += 1
        return Program(self.binary, self.stage.folder, f"{self.name}-{self._programs}", command, "p",
                       "-c", self.config, *flags)

    def finish(self, command, *flags):
        """The same command, undisturbed; has to end well."""
        run = self.start(command, *flags)
        code = run.wait()
        if code != 0:
            self.tally.wrong.append(f"{command} ended with {code}: {run.said[-1500:]}")

    def rows(self, table):
        return self.stage.clickhouse.value(f"SELECT count() FROM {table}")

    def compare(self, table, count):
        """The table has to hold 0 … count-1, each at the offset where it was written."""
        found = self.stage.clickhouse.rows(
            f"SELECT count() AS rows, uniqExact(n) AS numbers, countIf(n >= {count} OR n % {PARTITIONS} != "
            f"_partition OR intDiv(n, {PARTITIONS}) != _offset) AS strange FROM {table}")[0]
        self.tally.records += count
        self.tally.lost += count - found["numbers"]
        self.tally.doubled += found["rows"] - found["numbers"]
        if found["strange"]:
            self.tally.wrong.append(f"{found['strange']} rows of {table} are not of the topic")


def start_of_work(run):
    return any(word in run.said for word in ("pipeline started", "resum")) or not run.running


def kill_snapshots(story, kills, deadline):
    """Kills one snapshot after the other until it is done, each over more records."""
    while story.tally.kills < kills and time.monotonic() < deadline:
        old = story.produced
        story.produce(RECORDS)
        for _ in range(story.moments.randint(1, 6)):
            run = story.start("sync", "--full", "--batch-rows", "1000", "-j", "1")
            if story.moments.random() < 0.7:
                wait_until(lambda: start_of_work(run), 60, "the start of the snapshot")
            time.sleep(story.moments.uniform(0.0, 0.8))
            story.tally.kills += run.kill()
            rows = story.rows(story.table)
            if rows not in (old, story.produced):
                story.tally.wrong.append(f"a reader sees {rows} rows, not {old} or {story.produced}")
        story.finish("sync", "--full")
        story.compare(story.table, story.produced)
        if left := story.stage.clickhouse.query(
                "SELECT name FROM system.tables WHERE database = 't' AND "
                f"startsWith(name, '{story.name}__')").split():
            story.tally.wrong.append(f"left behind: {left}")


def kill_backfills(story, kills, deadline):
    """The first half of the topic into a table beside, again and again into new ones."""
    story.produce(RECORDS)
    story.finish("sync")
    number = 0
    while story.tally.kills < kills and time.monotonic() < deadline:
        number += 1
        table = f"{story.table}_{number}"
        story.create(table)
        flags = ("--range", f"0:{RECORDS // PARTITIONS // 2}", "--into", table, "-y", "--batch-rows", "1000")
        for _ in range(story.moments.randint(1, 6)):
            run = story.start("backfill", *flags)
            if story.moments.random() < 0.7:
                wait_until(lambda: start_of_work(run), 60, "the start of the backfill")
            time.sleep(story.moments.uniform(0.0, 0.8))
            story.tally.kills += run.kill()
        story.finish("backfill", *flags)
        story.compare(table, RECORDS // 2)


def kill_workers(story, kills, deadline):
    """Two `tail` of one group under load: killed, frozen for longer than their session, stopped."""
    flags = ("tail", "--batch-rows", "1000", "--batch-age", "100ms", "--drain-timeout", "5s")
    workers = [story.start(*flags) for _ in range(2)]
    tally, moments = story.tally, story.moments
    try:
        while tally.kills + tally.pauses < kills and time.monotonic() < deadline:
            story.produce(BURST)
            time.sleep(moments.uniform(0.2, 4.0))
            victim = moments.randrange(2)
            if not workers[victim].running:
                tally.wrong.append(f"a tail ended by itself: {workers[victim].said[-1500:]}")
                workers[victim] = story.start(*flags)
                continue
            kind = moments.choices(("kill", "pause", "stop"), (5, 4, 1))[0]
            if kind == "pause":
                tally.pauses += 1
                workers[victim].send(signal.SIGSTOP)
                time.sleep(SESSION_MS / 1000 + 1)  # the other takes over
                workers[victim].send(signal.SIGCONT)
                continue
            if kind == "kill":
                tally.kills += workers[victim].kill()
            else:
                tally.stops += 1
                workers[victim].send(signal.SIGTERM)
                workers[victim].wait()
            workers[victim] = story.start(*flags)
    finally:
        for worker in workers:
            worker.send(signal.SIGTERM)
        for worker in workers:
            worker.wait()
    in_time = story.rows(story.table)
    if in_time < story.produced // 2:
        tally.wrong.append(f"only {in_time} of {story.produced} records came while workers were killed")
    story.finish("sync")
    story.compare(story.table, story.produced)


def run_kills(stage, binary, options, say):
    """Tallies of all stories; `parallel` of them at a time."""
    stories = [(kill_snapshots, "snapshot_0", False, options.mode_kills // 4),
               (kill_snapshots, "snapshot_1", True, options.mode_kills // 4),
               (kill_backfills, "backfill_0", False, options.mode_kills // 4),
               (kill_backfills, "backfill_1", True, options.mode_kills - 3 * (options.mode_kills // 4))]
    stories = [story for story in stories if story[3] > 0]
    share = -(-options.group_kills // options.parallel)
    stories += [(kill_workers, f"workers_{number}", True, share) for number in range(options.parallel)]
    deadline = time.monotonic() + options.kill_minutes * 60
    tallies, failures, lock = [], [], threading.Lock()

    def work():
        while True:
            with lock:
                if not stories:
                    return
                run, name, exactly_once, kills = stories.pop(0)
            try:
                story = Story(stage, binary, name, exactly_once, options.seed)
                run(story, kills, deadline)
                tallies.append(story.tally)
                say(f"{story.tally}")
            except Exception as problem:  # said by the caller; the other stories go on
                failures.append(f"{name}: {problem!r}")

    threads = [threading.Thread(target=work) for _ in range(options.parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise CommandFailed("\n".join(failures))
    return tallies
