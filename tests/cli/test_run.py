import json
from pathlib import Path
from typing import Never

import pytest
from phantoms import write_series
from running import ORIENTED

from pipeline.cli import main
from pipeline.errors import ClusterError, TerminatedError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock

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


HEARD = "--set=on_finish=dd of=heard.json status=none"


def heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, object]:
    """Run, and return what the command heard of the end; the program ends with the same code."""
    monkeypatch.chdir(tmp_path)
    code = main(command(tmp_path, HEARD, *words))
    heard: dict[str, object] = json.loads((tmp_path / "heard.json").read_text())
    assert heard["exit_code"] == code
    return heard


def test_on_finish_hears_of_an_input_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = heard_of(tmp_path, monkeypatch)
    assert heard == {"exit_code": 2, "message": f"input.roots: {tmp_path / 'in'} is not a folder that exists"}


@pytest.mark.parametrize("words", ["--set=report.pixtures=true", "--set=limits.retries=-1"])
def test_on_finish_hears_of_a_configuration_that_is_wrong_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert heard_of(tmp_path, monkeypatch, words)["exit_code"] == 2


def test_on_finish_hears_of_an_input_without_ct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    assert heard_of(tmp_path, monkeypatch)["exit_code"] == 5


def test_on_finish_hears_of_an_output_that_another_run_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    with run_lock(output):
        assert heard_of(tmp_path, monkeypatch)["exit_code"] == 6


def test_on_finish_hears_of_an_output_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").touch()
    assert heard_of(tmp_path, monkeypatch)["exit_code"] == 7


@pytest.mark.parametrize(
    ("error", "code"),
    [(RuntimeError(), 1), (ClusterError("lost"), 9), (KeyboardInterrupt(), 130), (TerminatedError(), 143)],
)
def test_on_finish_hears_of_what_stopped_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def stop(*_: object, **__: object) -> Never:
        raise error

    (tmp_path / "in").mkdir()
    monkeypatch.setattr("pipeline.run.session.open_cluster", stop)
    assert heard_of(tmp_path, monkeypatch)["exit_code"] == code
