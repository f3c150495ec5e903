"""``ctprep plan``: what a run would do, and why."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_config, add_talk, load_config
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

    counts = dict.fromkeys(SeriesState, 0)
    listener = Silent() if options.quiet else Lines()
    for plan in dry_run(config, listener, deep=options.deep, explains=options.explain):
        counts[plan.state] += 1
        print(f"{plan.series_key} {plan.state}: {plan.why}; {plan.expectation}")
        for line in plan.program if options.explain else ():
            print(f"  {line}")
    print(", ".join(f"{n} {state}" for state, n in counts.items()))
    if script := find_job_script(config.cluster, config.limits):
        print(f"\neach worker is a job of {config.cluster.kind}:\n\n{script}")
    return ExitCode.OK
