"""``ctprep fit``: cohort HU statistics of the training split."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pipeline.cli.arguments import add_config, add_talk, load_config
from pipeline.cli.endings import print_code, print_event
from pipeline.errors import UsageError
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.run.fit import FitOutcome


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)
    parser.add_argument(
        "--foreground", metavar=("LOW", "HIGH"), nargs=2, type=int, help="count voxels from LOW to HIGH HU only"
    )
    parser.add_argument(
        "--weigh",
        choices=("voxels", "cases"),
        default="voxels",
        help="count every voxel alike (the default), or every series alike, however many voxels it has",
    )


def execute(options: Namespace) -> ExitCode:
    """Find the figures, and say what they are and where they come from."""
    foreground = _foreground(options)
    config = load_config(options)
    from pipeline.cli.progress import open_listener  # noqa: PLC0415  mistakes are reported before
    from pipeline.run.fit import fit  # noqa: PLC0415

    with open_listener(options) as listener:
        outcome = fit(config, listener, foreground, options.weigh)
    if options.log_json:
        print_event("fitted", **_describe(outcome), exit_code=int(outcome.exit_code))
        return outcome.exit_code
    if not options.quiet:
        _print_figures(outcome)
    print_code(outcome.exit_code)
    return outcome.exit_code


def _foreground(options: Namespace) -> tuple[int, int] | None:
    if options.foreground is None:
        return None
    low, high = options.foreground
    if low >= high:
        msg = f"--foreground {low} {high}: LOW must be below HIGH"
        raise UsageError(msg)
    return low, high


def _describe(outcome: "FitOutcome") -> dict[str, object]:
    names = ("n_series", "n_patients", "n_voxels", "mean_hu", "std_hu", "min_hu", "max_hu", "percentiles_hu")
    return {name: getattr(outcome.statistics, name) for name in names} if outcome.statistics else {}


def _print_figures(outcome: "FitOutcome") -> None:
    from pipeline.cli.tables import print_fields, print_path  # noqa: PLC0415  as above

    if outcome.n_failed:
        print(f"{outcome.n_failed} series failed and are not counted: run the same command again")
    found = outcome.statistics
    if found is None:
        return
    counted = "all" if found.foreground_hu is None else "{} to {} HU".format(*found.foreground_hu)
    if found.weighed_by == "cases":
        counted += ", every series alike"
    print_fields(
        [
            ("fitted on", f"{found.n_series} series of {found.n_patients} patients"),
            ("not counted", _not_counted(found.fitted_on["manifest.split"], outcome)),
            ("voxels", f"{found.n_voxels:,} ({counted})"),
            ("mean, std", f"{found.mean_hu:.2f}, {found.std_hu:.2f} HU"),
            ("range", f"{found.min_hu:g} to {found.max_hu:g} HU"),
            ("percentiles", "  ".join(f"{percent}%: {hu:g}" for percent, hu in found.percentiles_hu.items())),
        ]
    )
    print_path("written", outcome.path)


def _not_counted(split: object, outcome: "FitOutcome") -> str:
    if split is None:
        return "nothing is held out: the configuration has no manifest.split"
    counts = [f"{n} series for {name}" for name, n in outcome.splits.items() if name != "train"]
    return ", ".join(counts) or "no series falls to another split"
