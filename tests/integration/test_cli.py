# SPDX-License-Identifier: Apache-2.0
"""What a user sees without any server: usage and configuration errors, help, exit codes, JSON shapes,
secrets that stay secret. tests/golden holds the screens; SLUICE_UPDATE_GOLDEN=1 writes them anew."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NOWHERE = "127.0.0.1:1"  # nothing listens there
CANARY = "canary-7f3a"

MINIMAL = f"""[kafka]
brokers = ["{NOWHERE}"]
[clickhouse]
url = "http://{NOWHERE}"
[pipelines.orders]
topic = "orders"
table = "shop.orders"
"""


def golden(name, text):
    if os.environ.get("SLUICE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text(), f"tests/golden/{name}; SLUICE_UPDATE_GOLDEN=1 writes it anew"


@pytest.fixture
def config(sluice):
    def write(text, name="sluice.toml", mode=0o600):
        path = sluice.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


# ---- help and version


@pytest.mark.parametrize("arguments, name", [
    (["--help"], "help.txt"), (["help"], "help.txt"), (["-h"], "help-short.txt"),
    (["sync", "--help"], "help-sync.txt"), (["help", "sync"], "help-sync.txt"), (["sync", "-h"], "help-sync-short.txt"),
    (["check", "--help"], "help-check.txt"), (["help", "formats"], "help-formats.txt"), (["help", "exit-codes"], "help-exit-codes.txt"),
    (["help", "environment"], "help-environment.txt"), (["help", "config"], "help-config.txt")])
def test_help_is_on_stdout(sluice, arguments, name):
    run = sluice(*arguments).expect(0)
    assert run.stderr == ""
    golden(name, run.stdout)
    assert max(len(line) for line in run.stdout.splitlines()) <= 100


def test_unknown_help_topic(sluice):
    run = sluice("help", "format").expect(2)
    assert "did you mean 'formats'?" in run.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["version"], ["sync", "--version"]])
def test_version(sluice, arguments):
    run = sluice(*arguments).expect(0)
    first, kafka, clickhouse = run.stdout.splitlines()
    assert re.fullmatch(r"sluice \d+\.\d+\.\d+ \(.+, .+, (gcc|clang) .+\)", first)
    assert kafka.startswith("librdkafka ")
    assert clickhouse.startswith("libcurl ")


def test_version_as_json(sluice):
    document = sluice("--version", "-o", "json").expect(0).json
    assert document["type"] == "version"


def test_list_of_kafka_properties(sluice):
    names = sluice("-X", "list").expect(0).stdout.splitlines()
    assert "socket.keepalive.enable" in names
    assert names == sorted(names)


# ---- usage errors


@pytest.mark.parametrize("arguments, message", [
    ([], "no command was given"),
    (["snyc"], "unknown command 'snyc'\n  fix: did you mean 'sync'?"),
    (["--batch-row"], "unknown flag --batch-row"),
    (["sync", "--batch-row", "1"], "did you mean '--batch-rows'?"),
    (["sync", "-Z"], "unknown flag -Z"),
    (["sync", "--topic"], "--topic needs a value"),
    (["sync", "--batch-rows", "many"], "--batch-rows: 'many' is not a count"),
    (["sync", "--max-duration", "5"], "--max-duration: '5' is not a duration"),
    (["sync", "--memory", "64M"], "--memory: '64M' is not a size"),
    (["sync", "--until", "soon"], "--until: 'soon' is neither start nor a time"),
    (["sync", "--from", "latest"], "--from: expected earliest, end, table or a time"),
    (["sync", "-o", "yaml"], "--output: 'yaml' is not a value of it"),
    (["sync", "--summary-file", "x.txt"], "no known ending"),
    (["sync", "-q", "-v"], "--quiet: excludes --verbose"),
    (["sync", "order"], "unknown pipeline 'order'\n  fix: did you mean 'orders'?"),
    (["sync", "--table", "a.b"], "--table: needs --topic"),
    (["status", "--summary-file", "x.json"], "--summary-file is a flag of sync"),
    (["status", "--metrics-listen", "127.0.0.1:0"], "--metrics-listen is a flag of sync"),
    (["check", "--show", "--online"], "--online: excludes --show"),
    (["check", "--report", "--strict"], "--strict: excludes --report"),
    (["help", "sync", "tail"], "one command or topic at a time"),
    (["sync", "--config", "-", "--clickhouse-password-file", "-"], "standard input is already read"),
])
def test_usage_errors(sluice, config, arguments, message):
    config(MINIMAL)
    run = sluice(*arguments).expect(2)
    assert message in run.stderr
    assert run.stderr.startswith("error[usage]: ")
    assert run.stderr.endswith("exit 2\n")
    assert run.stdout == ""


def test_without_configuration_and_topic(sluice):
    run = sluice("sync").expect(2)
    assert "no configuration file and no --topic" in run.stderr
    told = sluice("check").expect(2).stderr
    assert "there is no configuration file to check" in told and "--topic" not in told
    assert "there is no configuration file" in sluice("tail", "nosuch").expect(2).stderr


def test_json_is_one_document_or_refused(sluice, config):
    config(MINIMAL + 'reject = { file = "r.jsonl" }\n')
    shown = sluice("check", "--show", "-o", "json").expect(0).json
    assert shown["type"] == "configuration" and "[pipelines.orders]" in shown["toml"]
    assert sluice("check", "--report", "-o", "json").expect(0).json["type"] == "report"
    sluice("rejects", "--raw", "-o", "json").expect(2)


def test_check_speaks_ascii_where_the_locale_does(sluice, config):
    config(MINIMAL)
    assert sluice("check", env={"LC_ALL": "C"}).expect(0).stdout.isascii()
    assert "✓" in sluice("check", env={"LC_ALL": "C.UTF-8"}).expect(0).stdout


# ---- configuration errors


def test_the_worked_example_of_the_manual(sluice, config):
    config(MINIMAL + "\n" * 6 + "batchs = { rows = 100_000 }\n")
    run = sluice("sync").expect(78)
    assert run.stderr == """error[config]: sluice.toml:14:1: unknown key 'batchs' in [pipelines.orders]
   14 | batchs = { rows = 100_000 }
      | ^^^^^^ did you mean 'batch'?
exit 78
"""


def test_all_errors_in_one_pass(sluice, config):
    config(MINIMAL + 'on_eror = "stop"\n[kafka.properties]\n"no.such" = 1\n[observ]\n[defaults]\nbatch = 5\n')
    run = sluice("sync").expect(78)
    assert run.stderr.count("error[config]") == 4, run
    document = sluice("sync", "-o", "json").expect(78).json
    assert document["type"] == "exit_error"
    assert {(problem["line"], problem["column"]) for problem in document["problems"]} == {
        (8, 1), (10, 1), (11, 2), (13, 9)}


def test_what_every_run_refuses_is_told_offline(sluice, config):
    config(MINIMAL.replace(NOWHERE, "192.0.2.1:1").replace("[clickhouse]", '[clickhouse]\npassword = { env = "PW" }')
           + '[kafka.security]\nprotocol = "sasl_plaintext"\nusername = "u"\n')
    told = sluice("check").expect(78).stderr
    assert "unencrypted, to http://192.0.2.1:1" in told and "sasl_plaintext would send" in told, told


def test_a_proxy_is_shown_without_its_password(sluice, config):
    config(MINIMAL.replace("[clickhouse]", f'[clickhouse]\nproxy = "http://u:{CANARY}@proxy:3128"'))
    for flag in ("--show", "--show-origin", "--report"):
        run = sluice("check", flag).expect(0)
        assert "http://proxy:3128" in run.stdout and CANARY not in run.stdout + run.stderr


def test_keys_with_very_many_dots_are_refused(sluice, config):
    config(".".join(["a"] * 20_000) + " = 1\n")
    assert "nested too deeply" in sluice("check").expect(78).stderr


def test_a_missing_and_a_broken_file(sluice, config):
    assert "nowhere.toml" in sluice("sync", "-c", "nowhere.toml").expect(78).stderr
    config("[kafka\n")
    assert "sluice.toml:1:" in sluice("sync").expect(78).stderr
    config('{"kafka": nope}', "broken.json")
    assert "broken.json:1:" in sluice("sync", "-c", "broken.json").expect(78).stderr


def test_configuration_from_standard_input(sluice):
    run = sluice("sync", "-c", "-", stdin="[kafkaa]\n").expect(78)
    assert "<stdin>:1:2: unknown key 'kafkaa'" in run.stderr
    run = sluice("sync", "-c", "-", stdin='{"kafkaa": {}}').expect(78)
    assert "<stdin>:1:2: unknown key 'kafkaa'" in run.stderr


def test_a_file_that_everyone_may_write_is_refused(sluice, config):
    config(MINIMAL, mode=0o666)
    assert "everyone may write" in sluice("sync").expect(78).stderr


@pytest.mark.parametrize("line", ['format = "avro"', '[registry]\nurl = "http://r:8081"'])
def test_what_comes_later_is_a_clear_error(sluice, config, line):
    config(MINIMAL + line + "\n")
    assert "later version of sluice" in sluice("sync").expect(78).stderr


# ---- secrets


@pytest.mark.parametrize("arguments", [
    ["-X", f"sasl.password={CANARY}"], [f"-Xsasl.password={CANARY}"], ["-X", f"ssl.key.pem={CANARY}"],
    ["--clickhouse", f"http://loader:{CANARY}@h:8123/d"], ["--clickhouse", f"http://{CANARY}@h:8123/d"],
    ["--setting", f"some_password={CANARY}"]])
def test_secrets_on_argv_are_refused_and_not_repeated(sluice, config, arguments):
    config(MINIMAL)
    for form in ([], ["-o", "json"], ["-o", "jsonl"], ["--log-format", "json"]):
        run = sluice("sync", *arguments, *form).expect(2)
        assert "secret-on-argv" in run.stderr
        assert CANARY not in run.stdout + run.stderr


@pytest.mark.parametrize("text", [
    f'[clickhouse]\npassword = "{CANARY}"\n', f'[clickhouse]\npassword = {CANARY}\n',
    f'[clickhouse]\npassword = "{CANARY}\n', f'[kafka.properties]\n"sasl.password" = "{CANARY}"\n',
    f'[kafka.properties]\n"ssl.key.pem" = """\n-----BEGIN-----\n{CANARY}\n"" \n',
    f'[clickhouse]\nurl = "http://u:{CANARY}@h:8123"\n'])
def test_secrets_in_a_wrong_configuration_are_not_shown(sluice, config, text):
    config(text)
    for form in ([], ["-o", "json"], ["--log-format", "json"]):
        run = sluice("sync", *form).expect(78)
        assert CANARY not in run.stdout + run.stderr


def test_a_secret_in_the_environment_is_not_shown_anywhere(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "-vv", "--retry-max-time", "1s", "-X", "security.protocol=sasl_plaintext",
                 "-X", "sasl.mechanisms=PLAIN", "-X", "sasl.username=u",
                 env={"SLUICE_KAFKA_SASL_PASSWORD": CANARY, "SLUICE_CLICKHOUSE_PASSWORD": CANARY}).expect(75)
    assert CANARY not in run.stdout + run.stderr


def test_references_that_lead_nowhere(sluice, config):
    config(MINIMAL.replace("[pipelines", 'password = { file = "none" }\n[pipelines'))
    run = sluice("sync").expect(78)
    assert "clickhouse.password (sluice.toml:5) is not available" in run.stderr
    config(MINIMAL.replace("[pipelines", 'password = { command = ["false"] }\n[pipelines'))
    assert "exit code 1" in sluice("sync").expect(75).stderr


def test_a_password_does_not_go_over_plain_http_to_another_machine(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--clickhouse", "http://192.0.2.1:8123/d", env={"SLUICE_CLICKHOUSE_PASSWORD": CANARY})
    run.expect(78)
    assert "allow_plaintext_auth" in run.stderr
    assert CANARY not in run.stderr


# ---- unreachable servers, output forms


def test_an_unreachable_server_is_75_quickly(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--retry-max-time", "2s", timeout=30).expect(75)
    assert run.seconds < 15
    assert NOWHERE in run.stderr
    assert "(sluice.toml:5)" in run.stderr


@pytest.mark.parametrize("text, arguments, code", [
    (MINIMAL, ["sync", "--retry-max-time", "1s"], 75), ("[x]", ["sync"], 78), ("", ["snyc"], 2),
    (MINIMAL, ["sync", "--max-rows", "x"], 2), (MINIMAL, ["sync", "--bogus"], 2)])
def test_json_is_exactly_one_document(sluice, config, text, arguments, code):
    config(text)
    run = sluice(*arguments, "-o", "json").expect(code)
    document = run.json
    assert document["exit_code"] == code
    assert document["v"] == 1
    assert document["slug"] and document["message"]
    assert "fix" in document and "pipeline" in document
    assert "error[" in run.stderr, "readers of stderr get it too"


def test_jsonl_ends_with_the_error(sluice, config):
    config(MINIMAL)
    lines = sluice("sync", "--retry-max-time", "1s", "-o", "jsonl").expect(75).jsonl
    assert lines[0]["type"] == "start"
    assert [line["type"] for line in lines[-2:]] == ["summary", "exit_error"]
    assert lines[-1]["pipeline"] == "orders"


def test_json_logs_are_json(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--retry-max-time", "1s", "--log-format", "json", "--stats").expect(75)
    lines = [line for line in run.stderr.splitlines() if line.startswith("{")]
    assert {"run started", "run finished", "error"} <= {json.loads(line)["message"] for line in lines}


def test_logs_go_to_a_file(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--retry-max-time", "1s", "--log-file", "run.log").expect(75)
    log = (sluice.folder / "run.log").read_text()
    assert "run started" in log and "run finished" in log
    assert "run started" not in run.stderr
    assert "error[" in run.stderr
    assert "no/folder" in sluice("sync", "--log-file", "no/folder/x.log").expect(74).stderr


def test_summary_files(sluice, config):
    config(MINIMAL)
    for _ in range(2):
        sluice("sync", "--retry-max-time", "1s", "--summary-file", "s.json", "--summary-file", "s.prom",
               "--summary-file", "s.md").expect(75)
    documents = [json.loads(line) for line in (sluice.folder / "s.json").read_text().splitlines()]
    assert [document["exit_code"] for document in documents] == [75, 75]
    assert 'sluice_run_exit_code{command="sync",pipeline="orders"} 75' in (sluice.folder / "s.prom").read_text()
    assert (sluice.folder / "s.md").read_text().count("### sluice sync") == 2


def test_a_summary_file_that_cannot_be_written_is_74(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--retry-max-time", "1s", "--summary-file", "/proc/nowhere/s.json", "-o", "json").expect(74)
    assert "summary file" in run.stderr
    assert run.json["exit_code"] == 74


def test_annotations_for_github(sluice, config):
    config(MINIMAL)
    summary = sluice.folder / "step.md"
    run = sluice("sync", "--retry-max-time", "1s",
                 env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}).expect(75)
    assert "::error title=" in run.stderr
    assert "### sluice sync" in summary.read_text()
    run = sluice("sync", "--retry-max-time", "1s", "--annotations", "none", env={"GITHUB_ACTIONS": "true"})
    assert "::error" not in run.stderr


def test_off_a_terminal_there_is_no_escape_byte(sluice, config):
    config(MINIMAL)
    run = sluice("sync", "--retry-max-time", "1s", "--progress", "bar", "--progress-interval", "50ms").expect(75)
    assert "\x1b" not in run.stdout + run.stderr


def test_control_characters_of_arguments_do_not_reach_the_terminal(sluice, config):
    config(MINIMAL)
    for arguments in (["sn\x1b[31myc"], ["sync", "x\x1b[2J"], ["sync", "--batch-age", "\x1b[2J"],
                      ["sync", "--\x1b[2J"]):
        assert "\x1b" not in sluice(*arguments).expect(2).stderr


def test_a_closed_stdout_is_no_failure(sluice, config):
    """case 37: EPIPE on standard output."""
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run([sluice.binary, "--help"], stdout=writing, stderr=subprocess.PIPE, cwd=sluice.folder)
    os.close(writing)
    assert (run.returncode, run.stderr) == (0, b"")
    with open("/dev/full", "w") as full:
        run = subprocess.run([sluice.binary, "--help"], stdout=full, stderr=subprocess.PIPE, cwd=sluice.folder)
    assert run.returncode == 74


def test_closed_standard_streams_are_no_harm(sluice, config):
    config(MINIMAL)
    command = f'exec "{sluice.binary}" sync --retry-max-time 1s --log-file run.log 0<&- 1>&- 2>&-'
    run = subprocess.run(["bash", "-c", command], cwd=sluice.folder)
    assert run.returncode == 74, "the result went nowhere"
    log = (sluice.folder / "run.log").read_text()
    assert "PIPELINE" not in log and "run finished" in log
    help_ = subprocess.run(["bash", "-c", f'exec "{sluice.binary}" --help 1>&-'], capture_output=True)
    assert help_.returncode == 74 and b"standard output cannot be written" in help_.stderr


def test_no_home_and_no_variables_at_all(sluice, config):
    config(MINIMAL)
    run = subprocess.run([sluice.binary, "sync", "--retry-max-time", "1s"], env={}, cwd=sluice.folder,
                         capture_output=True)
    assert run.returncode == 75


# ---- signals and terminals


def on_terminal(sluice, arguments, env=None):
    """Runs on a pseudo terminal; returns the process and its end of it."""
    ours, theirs = pty.openpty()
    kept = {key: value for key, value in os.environ.items()
            if key not in ("CI", "NO_COLOR", "GITHUB_ACTIONS") and not key.startswith("SLUICE_")}
    process = subprocess.Popen([sluice.binary, *arguments], cwd=sluice.folder, stdin=theirs, stdout=theirs,
                               stderr=theirs, env=kept | {"TERM": "xterm", "LANG": "C.UTF-8"} | (env or {}),
                               start_new_session=True)
    os.close(theirs)
    return process, ours


def read_terminal(ours, until=None, seconds=20.0):
    text, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        text += piece
        if not piece or (until and until in text):
            break
    return text.decode(errors="replace")


def test_on_a_terminal_a_bar_is_drawn_and_the_cursor_comes_back(sluice, config):
    config(MINIMAL)
    process, ours = on_terminal(sluice, ["sync", "--retry-max-time", "1s"])
    text = read_terminal(ours)
    assert process.wait(20) == 75
    os.close(ours)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "run started" not in text, "short lines for people instead of log lines"


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_mistakes_in_the_configuration_are_red_on_a_terminal(sluice, config, variables):
    config(MINIMAL + "batchs = 1\n")
    process, ours = on_terminal(sluice, ["check"], variables)
    text = read_terminal(ours).replace("\r", "")
    assert process.wait(20) == 78
    os.close(ours)
    red, plain = ("", "") if variables else ("\x1b[1;31m", "\x1b[0m")
    assert f"{red}error[config]{plain}: sluice.toml:8:1: unknown key 'batchs'" in text
    assert f"      | {red}^^^^^^{plain} did you mean 'batch'?\n" in text


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_on_a_terminal_nobody_watches_there_are_log_lines(sluice, config, variables):
    config(MINIMAL)
    process, ours = on_terminal(sluice, ["sync", "--retry-max-time", "1s"], variables)
    text = read_terminal(ours)
    assert process.wait(20) == 75
    os.close(ours)
    assert "\x1b[?25l" not in text and "run started" in text


@pytest.fixture
def stuck(sluice, config):
    """A configuration whose ClickHouse takes the connection and never answers: a run that stays."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config(MINIMAL.replace(f'url = "http://{NOWHERE}"', f'url = "http://127.0.0.1:{silent.getsockname()[1]}"'))
        yield


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_second_signal_ends_at_once(sluice, stuck, number, code):
    process, ours = on_terminal(sluice, ["sync"])
    read_terminal(ours, b"connecting")
    process.send_signal(number)
    text = read_terminal(ours, b"press Ctrl-C again")
    process.send_signal(number)
    text += read_terminal(ours)
    assert process.wait(10) == code
    os.close(ours)
    assert "in flight; press Ctrl-C again to stop now" in text
    assert text.rstrip().endswith("\x1b[?25h"), "the cursor is shown again"


def test_a_bug_is_70_and_says_how_to_report_it(sluice, stuck):
    run = sluice.start("sync", "-o", "json")
    run.wait_for_stderr("run started")
    run.send(signal.SIGABRT)
    outcome = run.wait(10).expect(70)
    assert "error[internal]" in outcome.stderr and "report" in outcome.stderr
    assert outcome.json["exit_code"] == 70


def test_the_log_file_is_opened_again_on_sighup(sluice, stuck):
    run = sluice.start("sync", "--log-file", "run.log")
    log = sluice.folder / "run.log"
    run.wait_until(lambda: log.exists() and "run started" in log.read_text(), what="the log")
    log.rename(sluice.folder / "run.log.1")
    run.hangup()
    run.wait_until(log.exists, what="the new log")
    run.kill()
