import json
from pathlib import Path

import pytest
from phantoms import write_series
from running import ORIENTED

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def command(tmp_path: Path, *words: str) -> list[str]:
    config = tmp_path / "config.yaml"
    config.write_text(ORIENTED)
    return ["run", str(config), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), *words]


def test_a_run_says_where_everything_is_and_ends_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in")
    assert main(command(tmp_path)) == 0
    told = capsys.readouterr().out
    for path in ("out/manifest.parquet", "out/volumes", "out/report/index.html"):
        assert str(tmp_path / path) in told
    assert told.splitlines()[-1] == "exit code 0"


def test_a_refused_series_is_reported_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", n=2)
    assert main(command(tmp_path)) == 3
    told = capsys.readouterr().out
    assert "TOO_FEW_SLICES" in told
    assert "select.min_slices" in told


def test_quiet_prints_the_code_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in")
    main(command(tmp_path, "--quiet"))
    assert capsys.readouterr().out == "exit code 0\n"


def test_json_lines_are_json_to_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in")
    main(command(tmp_path, "--log-json"))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["begins", "series", "ended"]
    assert events[-1]["exit_code"] == 0


def test_an_option_wins_over_the_file(tmp_path: Path) -> None:
    write_series(tmp_path / "in", n=4)
    assert main(command(tmp_path, "--set", "select.min_slices=5")) == 3
