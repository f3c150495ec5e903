"""YAML to the options that the rooms below own; errors name file, line, column and key.

The only room that knows YAML and pydantic.  What a key means, and which values are possible, its owner says.
"""

from pipeline.config.load import load
from pipeline.config.model import Config, OutputOptions, schema
from pipeline.config.paths import with_absolute_paths
from pipeline.config.ready import check_ready
from pipeline.config.resolved import config_hash, dump

__all__ = [
    "Config",
    "OutputOptions",
    "check_paths",
    "check_ready",
    "config_hash",
    "dump",
    "load",
    "schema",
    "with_absolute_paths",
]
