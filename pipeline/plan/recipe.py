"""A configuration to what a run needs of it: policy, recipe, scan, cohort statistics, what makes a store stale."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config import Config, config_hash
from pipeline.dicom.policy import Policy
from pipeline.errors import UsageError
from pipeline.features.statistics import Statistics
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.plan.plan import Versions
from pipeline.plan.selection import Selection, slice_count_before
from pipeline.prepare.job import Recipe
from pipeline.privacy import PseudonymKey
from pipeline.scan.headers import Reading
from pipeline.scan.masks import add_masks
from pipeline.scan.scan import scan
from pipeline.scan.series import NOBODY, People, Scan
from pipeline.sources.address import parse_address
from pipeline.steps.cohort import fill_in_statistics, find_waiting_steps
from pipeline.steps.orient import StoreAxes
from pipeline.versions import describe_stages


def policy_of(config: Config) -> Policy:
    """Return the parameters of the checks."""
    return Policy(config.limits, config.geometry, config.hounsfield, config.select.min_slices)


def scan_inputs(
    config: Config,
    key: PseudonymKey,
    reading: Reading | None = None,
    *,
    people: People = NOBODY,
    n_files: int | None = None,
) -> Scan:
    """Read every header under the roots, as the configuration asks.

    ``people`` are the persons that PatientIDs mean; ``n_files`` is how many files there are, where ``reading`` has
    looked already.
    """
    policy, tags, reading = policy_of(config), config.manifest.tags, reading or Reading()
    found = scan(config.input, policy, key, tags, config.select, reading, people=people, n_files=n_files)
    masks = config.manifest.labels.masks if config.manifest.labels else ()
    return add_masks(found, masks, config.limits, reading)


def local_roots(config: Config) -> tuple[Path, ...]:
    """Return the input folders that lie on a file system, which workers on other machines must see."""
    return tuple(Path(root) for root in config.input.roots if not parse_address(root))


def select_series(config: Config, found: Scan, output: OutputFolder) -> Selection:
    """Return what of a scan is selected, by the same slice count as in the output's first run."""
    return Selection.of(found, config.select, policy_of(config), slice_count_before(output))


def build_recipe(config: Config, key: PseudonymKey) -> Recipe:
    """Return what is done to every series; the steps must have the cohort's statistics by now."""
    order = () if config.store.axes == "zyx" else (StoreAxes(config.store.axes),)
    steps = (*config.steps, *order)
    cache_bytes = int(config.input.cache_gb * 10**9)
    return Recipe(policy_of(config), steps, config.store, config_hash(config), __version__, key, cache_bytes)


def versions_of(config: Config) -> Versions:
    """Return what decides whether a series is stale, and how often one that fails is tried again."""
    limits = config.limits
    judged = (config.select.min_slices, limits.max_voxels, limits.max_slices)
    cost = (limits.series_memory_mb, limits.series_timeout_seconds, config.cluster.memory_limit)
    rules = hashlib.sha256(repr((*judged, *cost)).encode()).hexdigest()[:20]
    return Versions(config_hash(config), describe_stages(), rules, limits.retries)


def resolve_statistics(config: Config, path: Path) -> Config:
    """Return the configuration as it is carried out: steps with ``statistics: cohort`` have the figures at ``path``.

    Raises UsageError where ``ctprep fit`` has not found them, or found them under another split or reading.
    """
    waiting = find_waiting_steps(config.steps)
    if not waiting:
        return config
    statistics = read_statistics(path)
    if statistics is None:
        msg = (
            f"steps.{waiting[0]}: statistics: cohort needs the output's statistics.json: run `ctprep fit CONFIG` first"
        )
        raise UsageError(msg)
    if differing := _differing(statistics.fitted_on, fit_terms(config)):
        msg = f"statistics.json was fitted with another {' and '.join(differing)}: run `ctprep fit CONFIG` again"
        raise UsageError(msg)
    return replace(config, steps=fill_in_statistics(config.steps, statistics))


def fit_terms(config: Config) -> dict[str, Any]:
    """Return what decides which voxels are counted, and as what: the split, and how pixels are read."""
    split = config.manifest.split
    parts = {
        "manifest.split": split and asdict(split),
        "geometry": asdict(config.geometry),
        "hounsfield": asdict(config.hounsfield),
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def write_statistics(path: Path, statistics: Statistics) -> None:
    """Write the figures; law: ``read_statistics`` gives them back."""
    write_bytes(path, (json.dumps(asdict(statistics), indent=2) + "\n").encode())


def read_statistics(path: Path) -> Statistics | None:
    """Return what was written, None where nothing was; raises UsageError for a file that is damaged."""
    if not path.exists():
        return None
    try:
        found = {"weighed_by": "voxels"} | json.loads(path.read_bytes())  # voxels: before there was a choice
        found["series_keys"] = tuple(found["series_keys"])
        found["foreground_hu"] = found["foreground_hu"] and tuple(found["foreground_hu"])
        return Statistics(**{field.name: found[field.name] for field in fields(Statistics)})
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path.name} is damaged: run `ctprep fit CONFIG`"
        raise UsageError(msg) from error


def _differing(before: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    return [name for name in asked if before.get(name) != asked[name]]
