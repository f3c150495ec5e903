from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.audit.show import draw_png, find_series
from pipeline.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_a_series_is_found_by_every_name_it_is_known_by(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in" / "one", patient_id="Somebody")
    write_series(tmp_path / "in" / "other", patient_id="Else", seed=1)
    outcome = carry_out(tmp_path, tmp_path / "in")
    found = find_series(outcome.output, "Somebody")
    assert len(found) == 1
    key = found[0].record.series_key
    for name in (key, series.series_uid, str(series.folder), str(series.paths[3])):
        assert [one.record.series_key for one in find_series(outcome.output, name)] == [key]
    assert [step["step"] for step in found[0].attributes["trail"]] == ["orient"]


def test_a_name_that_means_nothing_is_reported(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    outcome = carry_out(tmp_path, tmp_path / "in")
    with pytest.raises(UsageError, match="no series"):
        find_series(outcome.output, "Nobody")


def test_a_series_has_a_picture(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    outcome = carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")
    assert draw_png(outcome.output, outcome.records[0]).startswith(b"\x89PNG")
