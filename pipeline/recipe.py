"""A configuration to what a run needs of it: policy, recipe, pseudonym key, and what makes a store stale."""

import hashlib
from pathlib import Path

from pipeline import __version__
from pipeline.choose import Choice, slice_count_before
from pipeline.config import Config, config_hash
from pipeline.dicom.policy import Policy
from pipeline.headers import Reading
from pipeline.output import OutputFolder
from pipeline.plan import Versions
from pipeline.privacy import PseudonymKey
from pipeline.scan import Scan, scan
from pipeline.series import Recipe


def policy_of(config: Config) -> Policy:
    """Return what the checks are told."""
    return Policy(config.limits, config.geometry, config.hounsfield, config.select.min_slices)


def scan_of(config: Config, key: PseudonymKey, cache: Path | None = None) -> Scan:
    """Read every header under the roots, as the configuration asks; with a cache, those of new files only."""
    reading = Reading(config.cluster, cache)
    return scan(config.input, policy_of(config), key, config.manifest.tags, config.select, reading)


def choice_of(config: Config, found: Scan, output: OutputFolder) -> Choice:
    """Return what of a scan is selected, by the same slice count as in the output's first run."""
    return Choice.of(found, config.select, policy_of(config), slice_count_before(output))


def recipe_of(config: Config, key: PseudonymKey) -> Recipe:
    """Return what is done to every series."""
    return Recipe(policy_of(config), config.steps, config.store, config_hash(config), __version__, key)


def key_of(config: Config, output: OutputFolder) -> PseudonymKey:
    """Return the pseudonym key of an output; none where identifiers are kept, so that hashes are the same for all."""
    return PseudonymKey() if config.manifest.identifiers == "keep" else PseudonymKey.of_output(output.key)


def versions_of(config: Config) -> Versions:
    """Return what decides whether a series is stale."""
    limits = config.limits
    rules = repr((config.select.min_slices, limits.max_voxels, limits.max_slices, limits.series_memory_mb))
    return Versions(config_hash(config), __version__, hashlib.sha256(rules.encode()).hexdigest()[:20])
