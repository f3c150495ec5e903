"""A run that died at any moment, and the runs after it, end where one clean run does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nights import lasting
from phantoms import write_series
from running import Quiet, bytes_of_stores

from pipeline.audit.verify import verify
from pipeline.config import Config, load
from pipeline.run.run import Outcome, run

pytestmark = pytest.mark.usefixtures("in_this_process")

MOMENTS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""Shares of everything that a run forces to disk."""


class Killed(BaseException):
    """The process is dead: nothing that comes after is done."""


@contextmanager
def killed_after(n_syncs: int, patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let nothing reach the disk any more after so many files did; yields a list that grows with each."""
    reached: list[int] = []
    sync = os.fsync

    def dying(descriptor: int) -> None:
        if len(reached) >= n_syncs:
            raise Killed
        reached.append(descriptor)
        sync(descriptor)

    with patch.context() as context:
        context.setattr(os, "fsync", dying)
        yield reached


def config(folder: Path, name: str) -> Config:
    path = folder / "config.yaml"
    path.write_text("manifest: {identifiers: keep}\nreport: {enabled: false}\nsteps: [{orient: {to: LPS}}]\n")
    return load(path, inputs=[folder / "in"], output=folder / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give two patients, one with a gap, and a file that is no DICOM."""
    folder = tmp_path_factory.mktemp("converging")
    write_series(folder / "in" / "p0", patient_id="p0", n=5)
    write_series(folder / "in" / "p1", patient_id="p1", n=6, seed=1)
    write_series(folder / "in" / "p2", patient_id="p2", n=6, seed=2, positions_mm=[0, 2.5, 5, 10, 12.5, 15])
    (folder / "in" / "notes.txt").write_text("no DICOM")
    return folder


@pytest.fixture
def clean(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Outcome, int]:
    """Return a run that nothing disturbed, and how many files and folders it forced to disk."""
    with killed_after(10**9, monkeypatch) as reached:
        outcome = run(config(folder, str(tmp_path / "clean")), Quiet())
    return outcome, len(reached)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_and_its_rerun_are_one_clean_run(
    clean: tuple[Outcome, int], folder: Path, tmp_path: Path, moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, n_syncs = clean
    asked = config(folder, str(tmp_path / "out"))
    with killed_after(int(moment * n_syncs), monkeypatch), pytest.raises(Killed):
        run(asked, Quiet())
    again = run(asked, Quiet())
    assert bytes_of_stores(again) == bytes_of_stores(whole)
    assert lasting(again.output) == lasting(whole.output)
    assert again.exit_code == whole.exit_code
    assert verify(again.output) == []


def test_a_run_that_dies_again_and_again_gets_there(
    clean: tuple[Outcome, int], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, n_syncs = clean
    asked = config(folder, str(tmp_path / "out"))
    for moment in MOMENTS[1::2]:
        with killed_after(int(moment * n_syncs), monkeypatch):
            try:
                run(asked, Quiet())
            except Killed:
                continue
    again = run(asked, Quiet())
    assert bytes_of_stores(again) == bytes_of_stores(whole)
    assert lasting(again.output) == lasting(whole.output)


def test_series_that_come_one_by_one_end_as_if_they_had_come_together(
    clean: tuple[Outcome, int], folder: Path, tmp_path: Path
) -> None:
    whole, _ = clean
    asked = config(folder, str(tmp_path / "out"))
    later = tmp_path / "later"
    later.mkdir()
    for name in ("p1", "notes.txt", "p0"):
        (folder / "in" / name).rename(later / name)
    run(asked, Quiet())
    for path in later.iterdir():
        path.rename(folder / "in" / path.name)
        again = run(asked, Quiet())
    assert bytes_of_stores(again) == bytes_of_stores(whole)
    assert lasting(again.output) == lasting(whole.output)
