"""A configuration to what a run needs of it: policy, recipe, the scan, and what makes a store stale."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pipeline import __version__
from pipeline.config import Config, config_hash
from pipeline.dicom.policy import Policy
from pipeline.output.layout import OutputFolder
from pipeline.plan.plan import Versions
from pipeline.plan.selection import Selection, slice_count_before
from pipeline.prepare.job import Recipe
from pipeline.privacy import PseudonymKey
from pipeline.scan.headers import Reading
from pipeline.scan.masks import add_masks
from pipeline.scan.series import NOBODY, People, Scan, scan
from pipeline.sources.address import parse_address
from pipeline.sources.folders import FoundFile
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
    files: Iterable[FoundFile] | None = None,
) -> Scan:
    """Read every header under the roots, as the configuration asks.

    ``people`` are the persons that PatientIDs mean, ``files`` those under the roots where they are listed already.
    """
    policy, tags = policy_of(config), config.manifest.tags
    found = scan(config.input, policy, key, tags, config.select, reading, people=people, files=files)
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
    return Recipe(policy_of(config), config.steps, config.store, config_hash(config), __version__, key)


def versions_of(config: Config) -> Versions:
    """Return what decides whether a series is stale, and how often one that fails is tried again."""
    limits = config.limits
    judged = (config.select.min_slices, limits.max_voxels, limits.max_slices)
    cost = (limits.series_memory_mb, limits.series_timeout_seconds, config.cluster.memory_limit)
    rules = hashlib.sha256(repr((*judged, *cost)).encode()).hexdigest()[:20]
    return Versions(config_hash(config), describe_stages(), rules, limits.retries)
