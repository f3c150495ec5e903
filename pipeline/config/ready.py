"""Whether a configuration can be carried out here and now; looks, and writes nothing."""

from pipeline.config.model import Config
from pipeline.config.order import USUAL
from pipeline.config.paths import check_paths
from pipeline.errors import UsageError
from pipeline.steps import NeedsStatisticsError
from pipeline.steps.program import Program

BUILT_KINDS = frozenset({"serial", "local"})


def check_ready(config: Config) -> None:
    """Check the folders, and that nothing is asked for that would be left undone in silence.

    Raises UsageError where they do not fit, or where something is.
    """
    check_paths(config)
    manifest = config.manifest
    unbuilt = {
        "manifest.labels": manifest.labels,
        "manifest.split": manifest.split,
        "manifest.patient_map": manifest.patient_map,
        "on_finish": config.on_finish,
        f"cluster.kind: {config.cluster.kind}": config.cluster.kind not in BUILT_KINDS,
    }
    for key, asked in unbuilt.items():
        if asked:
            message = f"{key}: not available yet; leave it out"
            raise UsageError(message)
    try:
        Program.compile(config.steps, USUAL)
    except NeedsStatisticsError as error:
        message = f"steps.{error.index}: {error}; that command is not available yet"
        raise UsageError(message) from error
