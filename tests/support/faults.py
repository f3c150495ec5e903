"""Faults for tests: a small cohort, a run that can be hurt from outside, and the figures of what is left of it."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from phantoms import write_series
from running import ORIENTED, carry_out
from states import finished_in

from pipeline.audit.verify import verify
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome
from pipeline.vocabulary import Status

YAML = ORIENTED + "manifest: {identifiers: keep}\nreport: {enabled: false}\n"
"""Without a secret, two outputs can be compared."""

SERIAL = YAML + "cluster: {kind: serial}\n"
TWO_WORKERS = YAML + "cluster: {kind: local, workers: 2}\n"

PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Figures:
    """What a fault has cost, counted over the series of an input; all are 0 after at most one rerun."""

    lost: int = 0
    corrupt: int = 0
    falsely_ok: int = 0
    duplicate_rows: int = 0
    left_behind: int = 0


@dataclass(frozen=True, eq=False)
class Cohort:
    """An input, and what a run that nothing goes wrong with makes of it."""

    source: Path
    truth: dict[str, SeriesRecord]

    def figures(self, folder: Path) -> Figures:
        """Count what is wrong in an output: rows beside the truth, stores beside their rows, what lies about."""
        output = OutputFolder(folder)
        records = read_records(output)
        rows = {record.series_key: record for record in records}
        return Figures(
            lost=sum(key not in rows or _verdict(rows[key]) != _verdict(true) for key, true in self.truth.items()),
            corrupt=sum(mismatch.kind.is_damage for mismatch in verify(output)),
            falsely_ok=len(self.falsely_ok(rows)),
            duplicate_rows=len(records) - len(rows),
            left_behind=sum(path.suffix == ".unfinished" for path in folder.rglob("*")),
        )

    def falsely_ok(self, rows: dict[str, SeriesRecord]) -> set[str]:
        """Return the series that are called ok and are not, or not with the bytes that they should have."""
        stored = {key: true.sha256 for key, true in self.truth.items() if true.status is Status.OK}
        return {key for key, row in rows.items() if row.status is Status.OK and row.sha256 != stored.get(key)}

    def begin(self, folder: Path, yaml: str = SERIAL, before: tuple[str, ...] = (), **options: Any) -> "Begun":
        """Start a run in a process of its own; ``before`` are words in front of its command."""
        beside = self.source.parent / f"{folder.parent.name}-{folder.name}"  # not on a disk that is full
        config = beside.with_suffix(".yaml")
        config.write_text(yaml)
        words = ["run", config, "--input", self.source, "--output", folder, "--log-json"]
        command = [*before, sys.executable, "-m", "pipeline", *map(str, words)]
        with beside.with_suffix(".log").open("ab") as talk:
            return Begun(OutputFolder(folder), subprocess.Popen(command, stdout=talk, stderr=talk, **options))

    def rerun(self, folder: Path) -> Outcome:
        """Run once more, undisturbed."""
        return carry_out(folder.parent, self.source, SERIAL, folder.name)


@dataclass(frozen=True, eq=False)
class Begun:
    """A run in a process of its own."""

    output: OutputFolder
    process: subprocess.Popen[bytes]

    def until(self, holds: Callable[[OutputFolder], object]) -> None:
        """Wait until something holds of the output, or the run is over."""
        began = time.monotonic()
        while not holds(self.output) and self.process.poll() is None:
            assert time.monotonic() - began < PATIENCE_SECONDS
            time.sleep(0.002)

    def kill(self) -> int:
        """Kill the driver alone, as the system does that runs out of memory; return its exit code."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(PATIENCE_SECONDS)

    def ends(self) -> int:
        """Return the exit code, once there is one."""
        return self.process.wait(PATIENCE_SECONDS)

    def below(self) -> list[psutil.Process]:
        """Return every process that the driver, or one of its own, has started and that is still there."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []


def make_cohort(folder: Path, n_series: int = 12) -> Cohort:
    """Write small series, one of them with a gap, and run over them once."""
    for number in range(n_series):
        series = write_series(folder / "in" / f"p{number:02}", patient_id=f"P-{number}", seed=number, n=8)
    series.paths[3].unlink()
    outcome = carry_out(folder, folder / "in", SERIAL, "clean")
    return Cohort(folder / "in", {record.series_key: record for record in outcome.records})


def n_finished(output: OutputFolder) -> int:
    """Count the stores that have their name."""
    return len(list(output.volumes.glob("*.zarr")))


def assert_nothing_false(cohort: Cohort, output: OutputFolder) -> None:
    """Nothing is called ok that is not, in the manifest if there is one yet, and in the database."""
    if output.manifest.exists():
        assert cohort.falsely_ok({record.series_key: record for record in read_records(output)}) == set()
    assert cohort.falsely_ok({key: found.record for key, found in finished_in(output).items()}) == set()


def random_numbers(n: int, low: int, high: int) -> list[int]:
    """Return numbers without any order, the same each time."""
    chosen = random.Random(20)  # noqa: S311  no secret
    return [chosen.randrange(low, high) for _ in range(n)]


def slowly(value: object) -> Any:
    """Mark a test's parameter as one of the many that take minutes altogether."""
    return pytest.param(value, marks=pytest.mark.slow)


def _verdict(record: SeriesRecord) -> tuple[object, ...]:
    return record.status, record.reason
