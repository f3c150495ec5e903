"""``ctprep status``: what an output holds, and what to do next."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode, Status, format_count


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser, remote=True)


def execute(options: Namespace) -> ExitCode:
    """Print the counts by status and reason, when the last run ended and what it found new, and the next step."""
    from pipeline.audit.remote import open_tables  # noqa: PLC0415
    from pipeline.cli.tables import print_counts, print_fields, print_unreadable  # noqa: PLC0415  --help shall not wait for these
    from pipeline.output.lock import is_held  # noqa: PLC0415
    from pipeline.output.manifest import read_records  # noqa: PLC0415
    from pipeline.output.summary import last_summary  # noqa: PLC0415
    from pipeline.report.cohort import history  # noqa: PLC0415

    with open_tables(options.output) as output:
        if not output.manifest.exists() and is_held(output):
            n_done = len(output.list_stored())
            print(
                f"a first run is at work: {format_count(n_done, 'volume')} finished so far; counts follow when it ends"
            )
            return ExitCode.OK
        records = read_records(output)
        last = last_summary(output)
    print_counts(records)
    print_unreadable(last)
    fields = [("last run", f"{last.get('finished_at', 'unknown')}, exit code {last.get('exit_code', 'unknown')}")]
    if (found := history(last)) and found.sentences:
        fields += [("it found", "\n".join(found.sentences))]
    print_fields([*fields, ("next", _next_step({record.status for record in records}))])
    return ExitCode.OK


def _next_step(statuses: set[Status]) -> str:
    if Status.FAILED in statuses:
        return "run again: failed series are tried up to limits.retries times more, and at any time by `ctprep retry`"
    if Status.REJECTED in statuses:
        return "read the reasons above; `ctprep show OUTPUT SERIES_KEY` tells more of one series"
    return "train; `ctprep verify OUTPUT` compares every store with the manifest"
