"""Rejected or failed series once more, under the configuration of the last run."""

from collections.abc import Collection

from pipeline.config import check_ready, load
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.state import Ledger
from pipeline.record import SeriesRecord
from pipeline.run.run import Listener, Outcome, run
from pipeline.vocabulary import Reason, Status

AGAIN = frozenset({Status.REJECTED, Status.FAILED})


def retry(output: OutputFolder, reasons: Collection[Reason], listener: Listener) -> Outcome:
    """Forget what became of series that were rejected or failed, for one of ``reasons`` or, without any, for all.

    Then run as the last run was configured: they are worked as if they were new, beside what else is new or changed.
    Raises UsageError where there is no such configuration, else as `run` does.
    """
    if not output.private_config.exists():
        msg = f"{output.root} holds no private/config.yaml: it is no output of `ctprep run`"
        raise UsageError(msg)
    config = load(output.private_config, output=output.root)
    check_ready(config)
    with run_lock(output):
        ledger = Ledger.open(output)
        keys = [key for key, found in ledger.finished.items() if _is_meant(found.record, reasons)]
        ledger.forget(keys)
    listener.says(f"{len(keys)} series are tried again")
    return run(config, listener)


def _is_meant(record: SeriesRecord, reasons: Collection[Reason]) -> bool:
    return record.status in AGAIN and (not reasons or record.reason in reasons)
