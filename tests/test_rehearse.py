from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.config import load
from pipeline.plan import State
from pipeline.rehearse import Rehearsed, rehearsed
from pipeline.store import open_store

pytestmark = pytest.mark.usefixtures("in_this_process")
YAML = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [1, 1, 1]}}]\n"


def rehearse(tmp_path: Path) -> list[Rehearsed]:
    config = tmp_path / "plan.yaml"
    config.write_text(YAML)
    return list(rehearsed(load(config, inputs=[tmp_path / "in"], output=tmp_path / "out")))


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = rehearse(tmp_path)
    assert plan.state is State.NEW
    assert not (tmp_path / "out").exists()


def test_what_was_planned_is_what_comes_out(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = rehearse(tmp_path)
    outcome = carry_out(tmp_path, tmp_path / "in", YAML)
    array = open_store(outcome.output.root / str(outcome.records[0].store)).array
    assert plan.expectation.startswith(f"{' x '.join(map(str, array.shape))} {array.dtype}")
    (after,) = rehearse(tmp_path)
    assert after.state is State.DONE
    assert after.series_key == outcome.records[0].series_key


def test_a_program_is_told_step_by_step(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = rehearse(tmp_path)
    assert [line.split(":")[0] for line in plan.program] == ["source", "orient", "resample", "store"]


@pytest.mark.parametrize(
    ("positions", "told"),
    [([0, 2.5, 5, 10, 12.5, 15], "SLICE_GAP"), ([0, 0, 2.5, 5, 7.5, 10], "share positions")],
)
def test_a_refusal_is_foreseen_as_far_as_headers_tell(tmp_path: Path, positions: list[float], told: str) -> None:
    write_series(tmp_path / "in", n=6, positions_mm=positions)
    (plan,) = rehearse(tmp_path)
    assert told in plan.expectation
