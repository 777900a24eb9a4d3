# SPDX-License-Identifier: Apache-2.0
"""The Debian package, the systemd units, the examples and the schema that come with it."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SHARE = ROOT / "man/share"


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The .deb of the build under test."""
    build = Path(os.environ.get("SLUICE_BIN") or ROOT / "build/release/cli/sluice").parent.parent
    folder = tmp_path_factory.mktemp("package")
    packed = run("cpack", "-G", "DEB", "-B", folder, "--config", build / "CPackConfig.cmake", cwd=build)
    assert packed.returncode == 0, packed
    (deb,) = folder.glob("sluice_*.deb")
    return deb


def test_the_package_holds_what_an_administrator_expects(package):
    listing = run("dpkg-deb", "-c", package).stdout
    for path in ("./usr/bin/sluice", "./etc/sluice/sluice.toml", "./etc/sluice/conf.d/",
                 "./lib/systemd/system/sluice.service", "./lib/systemd/system/sluice@.service",
                 "./lib/systemd/system/sluice-sync.timer", "./usr/share/man/man1/sluice.1.gz",
                 "./usr/share/man/man5/sluice.toml.5.gz", "./usr/share/bash-completion/completions/sluice",
                 "./usr/share/zsh/vendor-completions/_sluice", "./usr/share/fish/vendor_completions.d/sluice.fish",
                 "./usr/share/sluice/sluice.schema.json", "./usr/share/doc/sluice/copyright", "./usr/share/doc/sluice/kubernetes/sync.yaml",
                 "./usr/share/doc/sluice/alerts/sluice.rules.yml", "./usr/share/doc/sluice/examples/cron"):
        assert f" {path}\n" in listing, path
    assert "-rw-r----- root/root" in next(line for line in listing.splitlines() if line.endswith("etc/sluice/sluice.toml"))
    assert "/etc/sluice/sluice.toml" in run("dpkg-deb", "--ctrl-tarfile", package).stdout
    depends = run("dpkg-deb", "-f", package, "Depends").stdout
    assert "librdkafka1" in depends and "libcurl4" in depends, "found by dpkg-shlibdeps"


def test_lintian_finds_nothing(package):
    found = run("lintian", "--allow-root", "--fail-on", "error,warning", package, env=os.environ | {"LANG": "C.UTF-8"})
    assert found.returncode == 0, found.stdout


def test_it_installs_runs_and_purges_without_a_trace(package, tmp_path):
    """Into a folder of its own with a package database of its own: no root of the machine is touched."""
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "usr/bin"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--force-not-root", "--log=/dev/null"]
    before = {str(path.relative_to(root)) for path in root.rglob("*")}
    # Its scripts are for a whole system: what they do there is not tried here.
    unpacked = run(*dpkg, "--unpack", package)
    assert unpacked.returncode == 0, unpacked
    shown = run(root / "usr/bin/sluice", "--version")
    assert shown.stdout.startswith("sluice "), shown
    assert run(root / "usr/bin/sluice", "check", "-c", root / "etc/sluice/sluice.toml").returncode == 78, "no pipeline yet"
    for script in (root / "var/lib/dpkg/info").glob("sluice.p*"):
        assert run("sh", "-n", script).returncode == 0
        script.write_text("#!/bin/sh\nexit 0\n")
    purged = run(*dpkg, "--purge", "sluice")
    assert purged.returncode == 0, purged
    after = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert {path for path in after - before if not path.startswith("var/lib/dpkg")} == set()


def test_systemd_takes_the_units(sluice, tmp_path):
    for unit in (SHARE / "systemd").iterdir():
        text = unit.read_text().replace("/usr/bin/sluice", str(sluice.binary))
        (tmp_path / unit.name).write_text(text)
    names = ["sluice.service", "sluice@one.service", "sluice-sync.service", "sluice-sync.timer"]
    verified = run("systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in names))
    about_us = [line for line in verified.stderr.splitlines() if "sluice" in line]
    assert (verified.returncode, about_us) == (0, []), verified
    for name in ("sluice.service", "sluice-sync.service"):
        security = run("systemd-analyze", "security", "--offline=true", "--threshold=20", tmp_path / name)
        assert security.returncode == 0, security.stdout[-600:]


def test_the_examples_are_right(sluice):
    import yaml

    for path in [*(SHARE / "kubernetes").iterdir(), SHARE / "examples/github-workflow.yml"]:
        assert all(yaml.safe_load_all(path.read_text()))
    tail = list(yaml.safe_load_all((SHARE / "kubernetes/tail.yaml").read_text()))
    (sluice.folder / "sluice.toml").write_text(tail[0]["data"]["sluice.toml"])
    (sluice.folder / "sluice.toml").chmod(0o600)
    sluice("check", "--strict").expect(0)
    rules = yaml.safe_load((SHARE / "kubernetes/sync.yaml").read_text())["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]
    assert rules["rules"][0]["onExitCodes"]["values"] == [2, 65, 77, 78]
    example = (SHARE / "examples/sluice.toml").read_text()
    uncommented = example.replace("# [", "[").replace("# topic", "topic").replace("# table", "table")
    (sluice.folder / "sluice.toml").write_text(uncommented)
    sluice("check").expect(0)


def test_editors_get_a_schema_that_knows_our_configurations():
    """sluice.schema.json, as editors use it, takes what we print and refuses what sluice refuses. That it is made of
    the table of keys, and that of what is read, is held by unit_cli (Generated, ConfigKeys)."""
    import jsonschema

    schema = json.loads((SHARE / "schema/sluice.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    example = (SHARE / "examples/sluice.toml").read_text()
    readme = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    whole = """config_version = 1
[kafka]
brokers = "a:1,b:2"
properties = { "fetch.message.max.bytes" = 4_194_304, "sasl.password" = { env = "A" } }
security = { protocol = "sasl_ssl", mechanism = "PLAIN", password = { command = ["cat", "x"] }, tls.verify = true }
[clickhouse]
urls = ["http://a:8123"]
tls = { verify = false }
settings = { max_partitions_per_insert_block = 1000, role = "x" }
[destinations.archive]
url = "http://b:8123"
[observe]
log_format = "json"
[defaults]
batch = { rows = "250k", bytes = 1_000_000, age = "2s" }
[pipelines.a]
topics_regex = '^a$'
table = "x.y"
unknown_fields = { into = "rest" }
map = { id = "/user/id" }
tags = ["hourly"]
"""
    for text in (example, re.sub("^# (?=[a-z\\[])", "", example, flags=re.M), readme, whole):
        assert list(validator.iter_errors(tomllib.loads(text))) == []
    for wrong in ("kafak = {}", "[pipelines.a]\nbatchs = {}", '[pipelines.a]\non_error = "skip"', "[kafka]\nclient_id = 1",
                  '[clickhouse]\npassword = "x"', '[clickhouse]\npassword = { env = "A", file = "b" }',
                  "[pipelines.a.batch]\nrow = 1", "[defaults]\nunknown_fields = {}", "[destinations.a]\nurl = 1"):
        assert list(validator.iter_errors(tomllib.loads(wrong))), wrong
