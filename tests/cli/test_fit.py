import json
from pathlib import Path

import pytest
from phantoms import write_series
from running import InThisProcess

from pipeline.cli import main

YAML = "steps: [{normalise: {to: z_score, statistics: cohort}}]\nmanifest: {split: {train: 1}}\n"


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words that fit a configuration to a cohort of one series."""
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())
    write_series(tmp_path / "in" / "a", n=4, rows=16, columns=16)
    (tmp_path / "config.yaml").write_text(YAML)
    return ["fit", str(tmp_path / "config.yaml"), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]


def test_fit_says_what_it_found_and_on_what(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capsys.readouterr().out
    for part in (
        "1 series of 1 patients",
        "no series falls to another split",
        "1,024 (all)",
        "99.5%:",
        "statistics.json",
    ):
        assert part in told
    assert told.splitlines()[-1] == "exit code 0"


def test_the_foreground_is_reported(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--foreground", "-500", "400", "--set", "manifest.split=null"]) == 0
    told = capsys.readouterr().out
    assert "(-500 to 400 HU)" in told
    assert "nothing is held out" in told


def test_a_foreground_of_nothing_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--foreground", "400", "-500"]) == 2
    assert "LOW must be below HIGH" in capsys.readouterr().err


def test_quiet_prints_the_exit_code_alone(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*words, "--quiet"])
    assert capsys.readouterr().out == "exit code 0\n"


def test_json_lines_are_json_to_the_last(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*words, "--log-json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["begins", "series", "fitted"]
    assert (events[-1]["n_voxels"], events[-1]["exit_code"]) == (1024, 0)
