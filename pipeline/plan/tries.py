"""How often a series failed: each run tries again, up to ``limits.retries`` times under the same terms."""

from dataclasses import replace

from pipeline.output.ledger import Finished
from pipeline.vocabulary import Reason, Status

NOT_ITS_OWN = frozenset({Reason.OUTPUT_IO, Reason.CANCELLED})
"""What no series brings about: it is not counted."""


def counted(now: Finished, before: Finished | None, retries: int) -> Finished:
    """Return a result with its failures counted; one that has failed too often says what runs it again."""
    if now.record.status is not Status.FAILED:
        return now
    n_before = before.n_failures if before and before.is_of_the_same_terms(now) else 0
    n_failures = n_before + (now.record.reason not in NOT_ITS_OWN)
    told = replace(now, n_failures=n_failures)
    if n_failures <= retries:
        return told
    detail = f"{now.record.detail}; tried {n_failures} times, `ctprep retry` runs it again"
    return replace(told, record=replace(now.record, detail=detail))
