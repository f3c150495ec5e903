from pathlib import Path

import pytest
from phantoms import write_series

from pipeline.config import load
from pipeline.plan.plan import estimate_memory_mb, estimate_program
from pipeline.plan.recipe import build_recipe, scan_inputs
from pipeline.prepare.job import Recipe
from pipeline.privacy import PseudonymKey
from pipeline.program.program import Program
from pipeline.scan.series import ScannedSeries


def scanned(tmp_path: Path, limits: str = "{}", **wanted: object) -> tuple[ScannedSeries, Recipe]:
    write_series(tmp_path / "in", **wanted)
    path = tmp_path / "config.yaml"
    path.write_text(f"steps: [{{resample: {{spacing_mm: [1, 1, 1]}}}}]\nlimits: {limits}\n")
    config = load(path, inputs=[tmp_path / "in"], output=tmp_path / "out")
    (one,) = scan_inputs(config, PseudonymKey()).series
    return one, build_recipe(config, PseudonymKey())


def test_the_program_of_a_series_is_known_from_its_headers(tmp_path: Path) -> None:
    one, recipe = scanned(tmp_path)
    program = estimate_program(one.series, recipe)
    assert isinstance(program, Program)
    assert program.shape == (30, 26, 23)
    megabytes = estimate_memory_mb(one.series, recipe)
    assert megabytes is not None
    assert 0 < megabytes < 10


@pytest.mark.parametrize(
    ("limits", "positions", "reason"),
    [
        ("{}", [0, 2.5, 5, 10, 12.5, 15], "SLICE_GAP"),
        ("{}", [0, 0, 2.5, 5, 7.5, 10], "share positions"),
        ("{max_slices: 10}", [0, 2.5, 5, 7.5, 10, 12.5], "LIMIT"),
    ],
)
def test_where_none_is_foreseen_the_reason_is(tmp_path: Path, limits: str, positions: list[float], reason: str) -> None:
    one, recipe = scanned(tmp_path, limits, n=6, positions_mm=positions)
    program = estimate_program(one.series, recipe)
    assert isinstance(program, str)
    assert reason in program
    assert estimate_memory_mb(one.series, recipe) is None
