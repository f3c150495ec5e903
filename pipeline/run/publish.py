"""What a run knows to the tables of its output: each is replaced whole, and the journal is short again."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.cohort.cohort import Cohort
from pipeline.cohort.join import Joined
from pipeline.config import Config, dump, with_absolute_paths
from pipeline.features.histogram import Histogram
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Ledger
from pipeline.privacy import PseudonymKey
from pipeline.record import SeriesRecord
from pipeline.run.inventory import publish_accounts, publish_census
from pipeline.run.slice_labels import label_slices, publish_leftovers
from pipeline.scan.series import Scan
from pipeline.vocabulary import SeriesWarning


@dataclass(frozen=True)
class Published:
    """The manifest's records in its order, the histograms of those that have a store, and how labels were joined."""

    records: tuple[SeriesRecord, ...]
    histograms: dict[str, Histogram]
    joins: tuple[Joined, ...]


@dataclass(frozen=True)
class Publisher:
    """Writes the tables of one output, for the process that holds its lock."""

    config: Config
    output: OutputFolder
    key: PseudonymKey
    ledger: Ledger
    cohort: Cohort = field(init=False)

    def __post_init__(self) -> None:
        # Read before the work: what is told of the cohort when a run begins is what stands in its tables.
        object.__setattr__(self, "cohort", Cohort.open(self.config.manifest, self.output))

    def scan(self, found: Scan) -> tuple[Joined, ...]:
        """Write what follows from headers: an account of every file, and what every element holds.

        Return how labels of single slices were joined.
        """
        publish_accounts(self.output, found, self.ledger.finished, self.key)
        publish_census(self.output, found, keep_identifiers=self.config.manifest.identifiers == "keep")
        return label_slices(self.output, self.key, self.cohort.tables)

    def run(self, records: Iterable[SeriesRecord], found: Scan) -> Published:
        """Write every table, the manifest of these records first; return what was published."""
        ordered = with_content_warnings(sorted(records, key=lambda record: record.series_key))
        completed = self.cohort.completed(ordered, found)
        histograms = self.ledger.publish(completed.records, self.config.manifest.identifiers)
        joins = (*completed.joins, *self.scan(found))
        publish_leftovers(self.output, joins)
        write_bytes(self.output.config, dump(self.config, paths=False).encode())
        resolved = dump(with_absolute_paths(self.config), paths=True)
        write_bytes(self.output.private_config, resolved.encode(), private=True)
        finished = self.ledger.finished
        self.ledger.compact([record.series_key for record in ordered if record.series_key in finished])
        return Published(completed.records, histograms, joins)


def with_content_warnings(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Return the records, those whose slices another series holds too with W_DUPLICATE_CONTENT."""
    counts = Counter(record.content_hash for record in records if record.content_hash)
    repeated = {content_hash for content_hash, n in counts.items() if n > 1}
    return [
        replace(record, warnings=tuple(sorted({*record.warnings, SeriesWarning.W_DUPLICATE_CONTENT})))
        if record.content_hash in repeated
        else record
        for record in records
    ]
