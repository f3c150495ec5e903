"""Jobs of single series for tests: what a worker is given, and what becomes of it in this process."""

from dataclasses import replace
from pathlib import Path

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.stack.stack import Stack
from pipeline.prepare.job import Job, Recipe, SeriesResult
from pipeline.prepare.series import process
from pipeline.prepare.source import build_accepted_stack, remove_duplicates
from pipeline.privacy import PseudonymKey
from pipeline.program.step import Step
from pipeline.scan.scan import scan
from pipeline.sources.folders import InputOptions
from pipeline.store.layout import StoreOptions

KEY = PseudonymKey(b"k" * 32)
RECIPE = Recipe(Policy(), (), StoreOptions(), "config", "1.0", KEY)
LENIENT = Policy(geometry=GeometryOptions(uneven_spacing="resample", gap="interpolate", max_missing_share=0.5))


def job_of(source: Path, recipe: Recipe = RECIPE, folder: str = "out.zarr") -> Job:
    """Return the job of the only series in a folder, whose store goes beside it."""
    (scanned,) = scan(InputOptions((str(source),)), recipe.policy, KEY).series
    return Job(scanned.series, scanned.record, scanned.warnings, recipe, str(source.parent / folder))


def processed(source: Path, *steps: Step, policy: Policy | None = None, folder: str = "out.zarr") -> SeriesResult:
    """Work the only series in a folder, and give its store the name that it would get."""
    job = job_of(source, replace(RECIPE, steps=steps, policy=policy or Policy()), folder)
    result = process(job)
    if result.folder:
        Path(result.folder).rename(job.folder)
    return result


def series_of(source: Path) -> Series:
    """Return the slices of the only series in a folder."""
    return job_of(source).series


def stack_of(source: Path, policy: Policy = LENIENT) -> Stack:
    """Return the stack of the only series in a folder."""
    return build_accepted_stack(remove_duplicates(series_of(source), policy), policy)
