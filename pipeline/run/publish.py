"""What a run knows to the tables of its output: each is replaced whole."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.cohort.cohort import Joined
from pipeline.config import dump, with_absolute_paths
from pipeline.output.durable import write_bytes
from pipeline.output.manifest import publish_masks
from pipeline.output.state import OutputState, StoredHistograms
from pipeline.record import SeriesRecord
from pipeline.run.inventory import label_slices, publish_inventory, publish_leftovers, publish_tag_statistics
from pipeline.run.session import Session
from pipeline.scan.series import Scan
from pipeline.vocabulary import SeriesWarning


@dataclass(frozen=True)
class Published:
    """The manifest's records in its order, the histograms of those that have a store, and how labels were joined."""

    records: tuple[SeriesRecord, ...]
    histograms: StoredHistograms
    joins: tuple[Joined, ...]


def publish_scan(session: Session, found: Scan, state: OutputState) -> tuple[Joined, ...]:
    """Write what follows from headers: the inventory of files, the tag statistics and the findings.

    Return how labels of single slices were joined.
    """
    census = found.count_elements()
    publish_inventory(session.output, found, census, state, session.key)
    keeps_identifiers = session.config.manifest.identifiers == "keep"
    publish_tag_statistics(session.output, census, keep_identifiers=keeps_identifiers)
    return label_slices(session.output, session.key, session.cohort.tables)


def publish_run(session: Session, records: Iterable[SeriesRecord], found: Scan, state: OutputState) -> Published:
    """Write every table, the manifest of these records first; return what was published."""
    ordered = with_content_warnings(sorted(records, key=lambda record: record.series_key))
    completed = session.cohort.complete(ordered, found)
    histograms = state.publish(completed.records, session.config.manifest.identifiers)
    publish_masks(session.output, completed.records, found.mask_rows)
    joins = (*completed.joins, *publish_scan(session, found, state))
    publish_leftovers(session.output, joins)
    _write_config(session)
    state.forget(state.finished.keys() - {record.series_key for record in ordered})
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


def _write_config(session: Session) -> None:
    """Write the configuration as it was asked for: once without paths, once with them under ``private/``."""
    output = session.output
    write_bytes(output.config, dump(session.asked, paths=False).encode())
    resolved = dump(with_absolute_paths(session.asked), paths=True)
    write_bytes(output.private_config, resolved.encode(), private=True)
