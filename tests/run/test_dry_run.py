import os
from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.config import load
from pipeline.dicom.headers import read
from pipeline.plan.plan import SeriesState
from pipeline.run.dry_run import OTHER_CONTENT, SeriesPreview, dry_run
from pipeline.scan import summary as scan_room
from pipeline.store.read import open_store

pytestmark = pytest.mark.usefixtures("in_this_process")
YAML = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [1, 1, 1]}}]\n"


def preview(tmp_path: Path, *, deep: bool = False) -> list[SeriesPreview]:
    config = tmp_path / "plan.yaml"
    config.write_text(YAML)
    return list(dry_run(load(config, inputs=[tmp_path / "in"], output=tmp_path / "out"), deep=deep))


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = preview(tmp_path)
    assert plan.state is SeriesState.NEW
    assert not (tmp_path / "out").exists()


def test_a_dry_run_uses_what_the_last_run_read_and_leaves_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = write_series(tmp_path / "in")
    carry_out(tmp_path, tmp_path / "in", YAML)
    series.paths[0].unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    monkeypatch.setattr(read, "read_data_set", lambda *_: pytest.fail("a file that did not change was opened"))
    assert [plan.state for plan in preview(tmp_path)] == [SeriesState.CHANGED]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_a_plan_without_programs_loads_no_series_where_nothing_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "in/whole")
    write_series(tmp_path / "in/short", patient_id="short", n=2)
    carry_out(tmp_path, tmp_path / "in", YAML)
    whole = preview(tmp_path)
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: pytest.fail("nothing changed"))
    config = load(tmp_path / "out.yaml", inputs=[tmp_path / "in"], output=tmp_path / "out")
    plans = list(dry_run(config, explains=False))
    assert [(plan.series_key, plan.state, plan.why) for plan in plans] == [
        (plan.series_key, plan.state, plan.why) for plan in whole
    ]
    assert {plan.expectation.split(":")[0] for plan in plans} == {"TOO_FEW_SLICES", "30 x 26 x 23 int16, 0.0 MB"}


def test_content_that_changed_behind_its_size_and_times_is_found_only_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_room, "sign_files", lambda _: "a file system that tells of no change")
    write_series(tmp_path / "in" / "same", patient_id="a")
    spoilt = write_series(tmp_path / "in" / "spoilt", patient_id="b").paths[3]
    carry_out(tmp_path, tmp_path / "in", YAML)
    content, times = bytearray(spoilt.read_bytes()), spoilt.stat()
    content[-1] ^= 1
    spoilt.write_bytes(content)
    os.utime(spoilt, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert {plan.state for plan in preview(tmp_path)} == {SeriesState.DONE}
    deep = preview(tmp_path, deep=True)
    assert sorted(plan.state for plan in deep) == [SeriesState.CHANGED, SeriesState.DONE]
    assert [OTHER_CONTENT in plan.why for plan in deep if plan.state is SeriesState.CHANGED] == [True]


def test_what_was_planned_is_what_comes_out(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = preview(tmp_path)
    outcome = carry_out(tmp_path, tmp_path / "in", YAML)
    array = open_store(outcome.output.root / str(outcome.records[0].store)).array
    assert plan.expectation.startswith(f"{' x '.join(map(str, array.shape))} {array.dtype}")
    (after,) = preview(tmp_path)
    assert after.state is SeriesState.DONE
    assert after.series_key == outcome.records[0].series_key


def test_a_program_is_reported_step_by_step(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    (plan,) = preview(tmp_path)
    assert [line.split(":")[0] for line in plan.program[:3]] == ["source", "orient", "resample"]


@pytest.mark.parametrize(
    ("positions", "told"),
    [([0, 2.5, 5, 10, 12.5, 15], "SLICE_GAP"), ([0, 0, 2.5, 5, 7.5, 10], "share positions")],
)
def test_a_refusal_is_foreseen_as_far_as_headers_tell(tmp_path: Path, positions: list[float], told: str) -> None:
    write_series(tmp_path / "in", n=6, positions_mm=positions)
    (plan,) = preview(tmp_path)
    assert told in plan.expectation
