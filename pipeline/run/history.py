"""How the runs of an output went: what the last one left, the summary of this one, and what changed between the two."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.output.layout import OutputFolder
from pipeline.output.summary import Summary, add_times, last_summary, summarise_run, write_summary
from pipeline.record import SeriesRecord
from pipeline.run.changes import Snapshot, describe_changes
from pipeline.vocabulary import ExitCode


@dataclass
class History:
    """The summary of one run; opened before anything is published, for it reads what the last run left.

    ``notify`` takes the summary when it is final.
    """

    output: OutputFolder
    notify: Callable[[Summary], None]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._last, self._before = last_summary(self.output), Snapshot.of(self.output)

    def summarise(
        self, records: Sequence[SeriesRecord], code: ExitCode, config_hash: str, extra: Mapping[str, Any]
    ) -> Summary:
        """Return the summary of a run whose manifest stands, as of now."""
        summary = summarise_run(records, code, config_hash, extra)
        summary["changes"] = describe_changes(self._last, summary, self._before, Snapshot.of(self.output))
        return add_times(summary, self.started)

    def repeat(self, summary: Summary) -> Summary:
        """Return the summary of a run that found nothing new: the last one's, without what had changed then."""
        quiet = summary | {"changes": describe_changes(self._last, summary, self._before, self._before)}
        return add_times(quiet, self.started)

    def write(self, summary: Summary) -> Summary:
        """Write run.json and the history, and notify; return what was written."""
        final = add_times(summary, self.started)
        write_summary(self.output, final)
        self.notify(final)
        return final
