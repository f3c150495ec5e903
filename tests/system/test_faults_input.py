"""Whatever becomes of an input or of the clock during a run: nothing false, nothing deleted, and a rerun is right."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from faults import SERIAL, Cohort, Figures, make_cohort
from phantoms import write_series
from running import Quiet, carry_out

from pipeline.audit.gc import collect_garbage
from pipeline.config import load
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.run.run import run
from pipeline.vocabulary import ExitCode

LAST = {"last.json", "last-run.json"}
"""What lets a run without anything new be short; forgotten whenever something is."""

TEN_YEARS_SECONDS = 10 * 365 * 86_400

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return make_cohort(tmp_path, 4)


@pytest.fixture
def output(cohort: Cohort) -> OutputFolder:
    """Give the output of a run that nothing went wrong with."""
    return OutputFolder(cohort.source.parent / "clean")


def everything_of(output: OutputFolder) -> dict[Path, bytes]:
    """Return the files that a run makes of series, without those that tell of the run."""
    files = (path for path in output.root.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path != output.run and output.runs not in path.parents}


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Let a file grow for as long as the block takes, as if it were being copied; then it is whole."""
    content, ended = path.read_bytes(), Event()

    def copy() -> None:
        with path.open("wb", buffering=0) as file:
            for place in range(len(content) - 1):
                file.write(content[place : place + 1])
                if place > len(content) // 2:
                    ended.wait(0.002)
            ended.wait()
            file.write(content[-1:])

    copier = Thread(target=copy)
    copier.start()
    while path.stat().st_size <= len(content) // 2:
        time.sleep(0.001)
    yield
    ended.set()
    copier.join()


def test_a_file_that_grows_while_it_is_read_is_no_volume_until_it_is_whole(cohort: Cohort, tmp_path: Path) -> None:
    with growing(cohort.source / "p01" / "IM0004.dcm"):
        first = carry_out(tmp_path, cohort.source, SERIAL, "out")
    assert sum(record.status == "ok" for record in first.records) == 2
    assert cohort.falsely_ok({record.series_key: record for record in first.records}) == set()
    cohort.rerun(tmp_path / "out")
    assert cohort.figures(tmp_path / "out") == Figures()


def test_a_root_that_is_missing_stops_the_run_before_anything_is_written(cohort: Cohort, output: OutputFolder) -> None:
    before = everything_of(output)
    cohort.source.rename(cohort.source.with_name("elsewhere"))
    with pytest.raises(UsageError):
        cohort.rerun(output.root)
    assert everything_of(output) == before


def test_a_root_that_is_empty_deletes_nothing_and_what_comes_back_is_known(
    cohort: Cohort, output: OutputFolder
) -> None:
    before = everything_of(output)
    elsewhere = cohort.source.rename(cohort.source.with_name("elsewhere"))
    cohort.source.mkdir()
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED  # what the manifest says, as it now stands
    assert collect_garbage(output, delete=True) == []
    assert everything_of(output) == {path: before[path] for path in before if path.name not in LAST}
    cohort.source.rmdir()
    elsewhere.rename(cohort.source)
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()


def test_of_two_roots_the_empty_one_keeps_its_rows_and_stores(cohort: Cohort, tmp_path: Path) -> None:
    other, yaml = tmp_path / "other", tmp_path / "two.yaml"
    write_series(other / "p9", patient_id="P-9", n=8, seed=9)
    yaml.write_text(SERIAL)
    config = load(yaml, inputs=[cohort.source, other], output=tmp_path / "two")
    both = run(config, Quiet())
    (other / "p9").rename(tmp_path / "p9")
    listener = Quiet()
    records = run(config, listener).records
    assert [record.present for record in records].count(False) == 1
    assert tuple(replace(record, present=True) for record in records) == both.records
    assert any("is it mounted" in str(heard) for heard in listener.heard)


def test_files_from_the_future_are_files(cohort: Cohort, output: OutputFolder) -> None:
    stores = {path: path.read_bytes() for path in output.volumes.rglob("*") if path.is_file()}
    for path in (cohort.source / "p00").iterdir():
        os.utime(path, times=(time.time() + TEN_YEARS_SECONDS,) * 2)
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()
    assert {path: path.read_bytes() for path in output.volumes.rglob("*") if path.is_file()} == stores


def clock_set_back() -> dict[str, str]:
    """Return the environment in which a program lives ten years ago."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("needs libfaketime")
    return os.environ | {"LD_PRELOAD": str(library), "FAKETIME": f"-{TEN_YEARS_SECONDS}s"}


def test_a_clock_that_was_set_back_costs_nothing(cohort: Cohort, output: OutputFolder) -> None:
    before = json.loads(output.run.read_text())["started_at"]
    shutil.rmtree(cohort.source / "p00")
    write_series(cohort.source / "p00", patient_id="P-0", seed=77, n=8)
    write_series(cohort.source / "p10", patient_id="P-10", seed=10, n=8)
    assert cohort.begin(output.root, env=clock_set_back()).ends() == ExitCode.REJECTED
    assert json.loads(output.run.read_text())["started_at"] < before
    truth = carry_out(output.root.parent, cohort.source, SERIAL, "truth")
    told = Cohort(cohort.source, {record.series_key: record for record in truth.records})
    assert told.figures(output.root) == Figures()
    records = read_records(output)
    cohort.rerun(output.root)
    assert read_records(output) == records
    assert len(list(output.runs.iterdir())) == 3
