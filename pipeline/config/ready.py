"""Whether a configuration can be carried out here and now; looks, and writes nothing."""

from pathlib import Path

from pipeline.cluster import check_cluster
from pipeline.cohort.cohort import Cohort
from pipeline.config.cohort import fitted
from pipeline.config.model import Config
from pipeline.config.paths import check_paths
from pipeline.errors import UsageError
from pipeline.masks.nifti import has_nifti
from pipeline.output.layout import OutputFolder
from pipeline.run.notify import command_of
from pipeline.sources.address import address_of


def check_ready(config: Config) -> None:
    """Check the folders, the files that are named, and that nothing is asked for that would be left undone in silence.

    Raises UsageError where they do not fit, or where something is.
    """
    check_ready_to_read(config)
    if not address_of(config.output.folder):
        fitted(config)


def check_ready_to_read(config: Config) -> None:
    """Check the same, but for the cohort's statistics, which may be yet to find."""
    check_paths(config)
    if config.on_finish is not None:
        command_of(config.on_finish)
    if not address_of(config.output.folder):
        Cohort.open(config.manifest, OutputFolder(Path(config.output.folder)))
    check_cluster(config.cluster)
    masks = config.manifest.labels.masks if config.manifest.labels else ()
    if any(mask.nifti for mask in masks) and not has_nifti():
        message = "manifest.labels.masks: NIfTI files need nibabel: pip install 'ctprep[nifti]'"
        raise UsageError(message)
