"""YAML to the options that the rooms below own; errors name file, line, column and key.

The only room that knows YAML and pydantic.  What a key means, and which values are possible, its owner says.
"""

from pipeline.config.cohort import fit_parts, fitted
from pipeline.config.load import load
from pipeline.config.model import Config, OutputOptions, schema
from pipeline.config.paths import with_absolute_paths
from pipeline.config.ready import check_ready, check_ready_to_read
from pipeline.config.resolved import config_hash, dump

__all__ = [
    "Config",
    "OutputOptions",
    "check_ready",
    "check_ready_to_read",
    "config_hash",
    "dump",
    "fit_parts",
    "fitted",
    "load",
    "schema",
    "with_absolute_paths",
]
