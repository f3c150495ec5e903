"""The options that several commands share."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.sources.address import parse_address, resolve_file_url

if TYPE_CHECKING:
    from pipeline.config import Config

IMPORT_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""numpy's pool of threads and pydantic's search for plugins are not needed, and take a fifth of the time of a check."""


def add_config(parser: ArgumentParser) -> None:
    """Add the configuration, and the options that win over it."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        type=Path,
        help="the configuration: a YAML file, or the name of one that comes with ctprep, as default or lung",
    )
    parser.add_argument("--input", metavar="DIR", action="append", default=[], help="an input root (repeatable)")
    parser.add_argument("--output", metavar="DIR", help="the output folder")
    parser.add_argument(
        "--set", metavar="a.b=VALUE", action="append", default=[], help="one value of the configuration (repeatable)"
    )
    parser.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler's address, or: local, serial")
    parser.add_argument("--dashboard", action="store_true", help="serve Dask's dashboard, and print where")


def add_talk(parser: ArgumentParser) -> None:
    """Add how much is printed, and in what form."""
    parser.add_argument("--log-json", action="store_true", help="print one line of JSON per event")
    parser.add_argument("--quiet", action="store_true", help="print the exit code only")
    parser.add_argument("--no-progress", action="store_true", help="print a line per series, no progress bar")
    parser.add_argument("--verbose", action="store_true", help="print a line per series above the progress bar")
    parser.add_argument("--show-folders", action="store_true", help="name each series' folder in its line")


def add_output(parser: ArgumentParser, *, remote: bool = False) -> None:
    """Add the folder of an earlier run; with ``remote`` it may lie in a bucket, and is text."""
    kinds = "the output folder of a run" + (", or the URL of one in a bucket" if remote else "")
    parser.add_argument("output", metavar="OUTPUT", type=str if remote else local_folder, help=kinds)


def local_folder(name: str) -> Path:
    """Return the folder of this machine that a name means; raises UsageError where it lies in a bucket."""
    if address := parse_address(resolve_file_url(name)):
        msg = f"{address}: this command needs an output on this machine; copy it here first, as with `aws s3 sync`"
        raise UsageError(msg)
    return Path(resolve_file_url(name))


def load_config(options: Namespace) -> "Config":
    """Read the configuration that a command line asks for, and check its folders before anything else is imported."""
    with _set_environment(IMPORT_SETTINGS):
        from pipeline.config import check_paths, load  # noqa: PLC0415  what reads YAML is slow to import

    overrides = [*options.set, *(["cluster.dashboard=true"] if options.dashboard else [])]
    config = load(
        options.config, overrides=overrides, inputs=options.input, output=options.output, cluster=options.cluster
    )
    check_paths(config)
    return config


@contextmanager
def _set_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that the user has not set; afterwards, what this process starts does not inherit them."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
