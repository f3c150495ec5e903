"""YAML to the options that the rooms below own; errors name file, line, column and key.

What a key means, and which values are possible, its owner says.
"""

from pipeline.config.load import find_on_finish, load
from pipeline.config.model import Config, OutputOptions, config_hash, dump, schema
from pipeline.config.paths import check_paths, with_absolute_paths

__all__ = [
    "Config",
    "OutputOptions",
    "check_paths",
    "config_hash",
    "dump",
    "find_on_finish",
    "load",
    "schema",
    "with_absolute_paths",
]
