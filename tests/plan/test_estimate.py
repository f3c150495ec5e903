from pathlib import Path

import pytest
from phantoms import write_series

from pipeline.config import load
from pipeline.plan.estimate import forecast, memory_mb
from pipeline.plan.recipe import recipe_of, scan_of
from pipeline.prepare.job import Recipe
from pipeline.privacy import PseudonymKey
from pipeline.program.program import Program
from pipeline.scan.series import ScannedSeries


def scanned(tmp_path: Path, limits: str = "{}", **wanted: object) -> tuple[ScannedSeries, Recipe]:
    write_series(tmp_path / "in", **wanted)
    path = tmp_path / "config.yaml"
    path.write_text(f"steps: [{{resample: {{spacing_mm: [1, 1, 1]}}}}]\nlimits: {limits}\n")
    config = load(path, inputs=[tmp_path / "in"], output=tmp_path / "out")
    (one,) = scan_of(config, PseudonymKey()).series
    return one, recipe_of(config, PseudonymKey())


def test_the_program_of_a_series_is_known_from_its_headers(tmp_path: Path) -> None:
    one, recipe = scanned(tmp_path)
    foreseen = forecast(one.series, recipe)
    assert isinstance(foreseen, Program)
    assert foreseen.shape == (30, 26, 23)
    megabytes = memory_mb(one.series, recipe)
    assert megabytes is not None
    assert 0 < megabytes < 10


@pytest.mark.parametrize(
    ("limits", "positions", "told"),
    [
        ("{}", [0, 2.5, 5, 10, 12.5, 15], "SLICE_GAP"),
        ("{}", [0, 0, 2.5, 5, 7.5, 10], "share positions"),
        ("{max_slices: 10}", [0, 2.5, 5, 7.5, 10, 12.5], "LIMIT"),
    ],
)
def test_where_none_is_foreseen_the_reason_is(tmp_path: Path, limits: str, positions: list[float], told: str) -> None:
    one, recipe = scanned(tmp_path, limits, n=6, positions_mm=positions)
    foreseen = forecast(one.series, recipe)
    assert isinstance(foreseen, str)
    assert told in foreseen
    assert memory_mb(one.series, recipe) is None
