from argparse import ArgumentParser
from pathlib import Path

import pytest

from pipeline.cli.arguments import add_config, add_output, add_talk, load_config
from pipeline.errors import UsageError


def test_the_command_line_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c").mkdir()
    Path("d").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("input: {roots: [a]}\noutput: {folder: b}\n")
    parser = ArgumentParser()
    add_config(parser)
    add_talk(parser)
    words = [
        str(config),
        "--input",
        "c",
        "--input",
        "d",
        "--output",
        "e",
        "--set",
        "store.level=4",
        "--cluster",
        "serial",
    ]
    read = load_config(parser.parse_args([*words, "--quiet"]))
    assert read.input.roots == ("c", "d")
    assert read.output.folder == "e"
    assert read.store.level == 4
    assert read.cluster.kind == "serial"


def test_an_output_is_a_path() -> None:
    parser = ArgumentParser()
    add_output(parser)
    assert parser.parse_args(["out"]).output == Path("out")


def test_an_output_in_a_bucket_is_for_the_commands_that_can_reach_it() -> None:
    local, remote = ArgumentParser(), ArgumentParser()
    add_output(local)
    add_output(remote, remote=True)
    assert remote.parse_args(["s3://box/out"]).output == "s3://box/out"
    assert local.parse_args(["file:///data/out"]).output == Path("/data/out")
    with pytest.raises(UsageError, match="s3://box/out: this command needs an output on this machine"):
        local.parse_args(["s3://box/out"])
