"""``ctprep plan``: what a run would do, and why."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from shutil import disk_usage

from pipeline.cli.arguments import add_config, add_talk, load_config
from pipeline.output.layout import KEY_FILE_VARIABLE, OutputFolder
from pipeline.sources.address import parse_address
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)
    parser.add_argument("--explain", action="store_true", help="show each series' program, step by step")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="read every file again, even if its size and time are unchanged, and compare its content",
    )


def execute(options: Namespace) -> ExitCode:
    """Print a line per series, with ``--explain`` its steps, and how many are in each state."""
    config = load_config(options)
    from pipeline.cli.progress import Lines, Silent  # noqa: PLC0415  mistakes are reported before
    from pipeline.cluster.dispatcher import find_job_script  # noqa: PLC0415
    from pipeline.plan.plan import SeriesState  # noqa: PLC0415
    from pipeline.run.dry_run import dry_run  # noqa: PLC0415

    counts, n_bytes = dict.fromkeys(SeriesState, 0), 0
    has_key = config.manifest.identifiers == "keep" or _has_pseudonym_key(config.output.folder)
    listener = Silent() if options.quiet else Lines()
    for plan in dry_run(config, listener, deep=options.deep, explains=options.explain):
        counts[plan.state] += 1
        n_bytes += plan.n_bytes
        name = plan.series_key if has_key else f"series {sum(counts.values())}"
        folder = f"  {plan.folder}" if options.show_folders and plan.folder else ""
        print(f"{name} {plan.state}: {plan.why}; {plan.expectation}{folder}")
        for line in plan.program if options.explain else ():
            print(f"  {line}")
    print(", ".join(f"{n} {state}" for state, n in counts.items()))
    if n_bytes:
        print(_describe_room(n_bytes, config.output.folder))
    if not has_key:
        print("series have no key yet: the first run makes the key that their names follow from")
    if script := find_job_script(config.cluster, config.limits):
        print(f"\neach worker is a job of {config.cluster.kind}:\n\n{script}")
    return ExitCode.OK


def _has_pseudonym_key(folder: str) -> bool:
    """Tell whether the keys that are printed are those that a run will use; in a bucket they may be."""
    is_remote = parse_address(folder) is not None
    return is_remote or KEY_FILE_VARIABLE in os.environ or OutputFolder(Path(folder)).key.exists()


def _describe_room(n_bytes: int, folder: str) -> str:
    words = f"new stores take {n_bytes / 1e6:.0f} MB before compression"
    if parse_address(folder):
        return words
    there = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    return f"{words}; {disk_usage(there).free / 1e6:.0f} MB are free in {there}"
