"""What the fuzzer asks of the program, as a job for a guarded child: read a folder, and say what came of it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.cluster.jobs import JobLimits
from pipeline.dicom.policy import GeometryOptions, HounsfieldOptions, Policy
from pipeline.limits import Limits
from pipeline.prepare.job import Job, Recipe, SeriesResult, refuse
from pipeline.prepare.series import process
from pipeline.privacy import PseudonymKey
from pipeline.scan.scan import scan
from pipeline.scan.series import ScannedSeries
from pipeline.sources.folders import InputOptions
from pipeline.steps.orient import Orient
from pipeline.store.layout import StoreOptions
from pipeline.store.read import open_store
from pipeline.vocabulary import FileStatus, Reason, Status

JOB_LIMITS = JobLimits(timeout_seconds=20, memory_bytes=512 << 20)
LIMITS = Limits(max_voxels=4_000_000, max_slices=200)
"""What they allow fits into the job's memory: to run out of it is then the program's fault."""
CAUTIOUS = Policy(limits=LIMITS)
REPAIRING = Policy(
    limits=LIMITS,
    geometry=GeometryOptions(
        uneven_spacing="resample",
        gap="interpolate",
        max_missing_share=0.5,
        duplicate_position="split",
        missing_position="slice_location",
    ),
    hounsfield=HounsfieldOptions(rescale_missing="assume_hu", wrapped="repair"),
)


@dataclass(frozen=True)
class Reading:
    """A folder to read, and whether everything that can be repaired is to be."""

    folder: str
    repair: bool = False


@dataclass(frozen=True)
class Seen:
    """What came of a series; ``wrong`` says what an accepted one should not hold, empty where all is well."""

    status: Status
    reason: Reason | None
    wrong: str = ""


def read_folder(reading: Reading) -> tuple[Seen, ...]:
    """Read a folder as a run would, series by series."""
    policy = REPAIRING if reading.repair else CAUTIOUS
    store = Path(f"{reading.folder}.zarr")
    found = scan(InputOptions((reading.folder,)), policy, PseudonymKey())
    return tuple(_seen(scanned, policy, store) for scanned in found.series)


def _seen(scanned: ScannedSeries, policy: Policy, store: Path) -> Seen:
    shutil.rmtree(store, ignore_errors=True)
    if scanned.refusal:
        result = refuse(scanned.record, scanned.series, *scanned.refusal)
    else:
        recipe = Recipe(policy, (Orient(to="LPS"),), StoreOptions(), "config", "code", PseudonymKey())
        result = process(Job(scanned.series, scanned.record, scanned.warnings, recipe, str(store)))
        if result.folder:
            Path(result.folder).rename(store)
    record = result.record
    return Seen(record.status, record.reason, _wrong(scanned, result, store) if record.status is Status.OK else "")


def _wrong(scanned: ScannedSeries, result: SeriesResult, store: Path) -> str:
    record, stored = result.record, open_store(store)
    if stored.array.shape != record.shape or not np.isfinite(stored.array[:]).all():
        return "the store is not as its record says, or holds what is no number"
    used = [outcome for outcome in result.slices if outcome.status is FileStatus.USED]
    paths = {(outcome.path, outcome.frame) for outcome in used}
    headers = [header for header in scanned.series.slices if (header.file.path, header.frame) in paths]
    shapes = {(len(used), header.pixels.rows, header.pixels.columns) for header in headers}
    if shapes != {record.shape_in}:
        return "the source is not as its headers say"
    return ""
