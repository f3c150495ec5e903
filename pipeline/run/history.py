"""How the runs of an output went: what the last one left, what this one tells, and what changed between the two."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.output.layout import OutputFolder
from pipeline.output.summary import Summary, last_summary, summarised, timed, write_summary
from pipeline.record import SeriesRecord
from pipeline.run.changes import Snapshot, changes
from pipeline.vocabulary import ExitCode


@dataclass
class Chronicle:
    """The account of one run; opened before anything is published, for it reads what the last run left.

    ``tell`` takes the summary when it is final.
    """

    output: OutputFolder
    tell: Callable[[Summary], None]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._last, self._before = last_summary(self.output), Snapshot.of(self.output)

    def told(
        self, records: Sequence[SeriesRecord], code: ExitCode, config_hash: str, extra: Mapping[str, Any]
    ) -> Summary:
        """Return the summary of a run whose manifest stands, as of now."""
        summary = summarised(records, code, config_hash, extra)
        summary["changes"] = changes(self._last, summary, self._before, Snapshot.of(self.output))
        return timed(summary, self.started)

    def told_again(self, summary: Summary) -> Summary:
        """Return the summary of a run that found all as the last one left it: that one's, without what had changed."""
        quiet = summary | {"changes": changes(self._last, summary, self._before, self._before)}
        return timed(quiet, self.started)

    def write(self, summary: Summary) -> Summary:
        """Write run.json and the history, and tell who waits for it; return what was written."""
        final = timed(summary, self.started)
        write_summary(self.output, final)
        self.tell(final)
        return final
