import json
from pathlib import Path

import pytest
from phantoms import Series, write_series
from pydicom.dataset import Dataset

from pipeline.cli import main


@pytest.fixture
def two(tmp_path: Path) -> tuple[Series, Series]:
    def change(dataset: Dataset, _z: int) -> None:
        del dataset.ConvolutionKernel
        dataset.KVP = 100
        dataset.ImageComments = "\x1b[31mred"

    return (
        write_series(tmp_path / "one", n=1, series_uid="1.2"),
        write_series(tmp_path / "other", n=1, series_uid="1.2", change=change),
    )


def test_differences_are_lines_by_tag_and_their_number(
    two: tuple[Series, Series], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *(str(series.paths[0]) for series in two)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[:5] == [
        "0018,0060 KVP", "  - 120.0", "  + 100.0", "0018,1210 ConvolutionKernel", "  - STANDARD"
    ]  # fmt: skip
    assert told.splitlines()[-1] == "1 different, 1 only in A, 1 only in B"
    assert "\x1b" not in told


def test_on_a_terminal_the_sides_have_colours(
    two: tuple[Series, Series], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    main(["diff", *(str(series.paths[0]) for series in two)])
    assert "\x1b[31m  - 120.0" in capsys.readouterr().out


def test_what_does_not_differ_ends_with_0_too(two: tuple[Series, Series], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(two[0].folder)
    assert main(["diff", folder, folder]) == 0
    assert capsys.readouterr().out == "no element differs\n"


def test_what_was_left_out_is_reported(two: tuple[Series, Series], capsys: pytest.CaptureFixture[str]) -> None:
    (two[1].folder / "notes.txt").write_text("no DICOM")
    main(["diff", *(str(series.folder) for series in two)])
    assert "B: left out 1" in capsys.readouterr().out


def test_json_is_one_object(two: tuple[Series, Series], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *(str(series.folder) for series in two), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["only_a", "only_b", "different"]
    assert found["only_a"] == [{"tag": "0018,1210", "name": "ConvolutionKernel", "value": "STANDARD"}]
    assert found["different"] == [{"tag": "0018,0060", "name": "KVP", "a": "120.0", "b": "100.0"}]


def test_a_page_is_written_on_request(two: tuple[Series, Series], tmp_path: Path) -> None:
    assert main(["diff", *(str(series.folder) for series in two), "--html", str(tmp_path / "page.html")]) == 0
    assert "ConvolutionKernel" in (tmp_path / "page.html").read_text()


def test_a_side_that_is_no_dicom_is_a_usage_error(tmp_path: Path, two: tuple[Series, Series]) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    assert main(["diff", str(two[0].folder), str(tmp_path / "notes.txt")]) == 2
