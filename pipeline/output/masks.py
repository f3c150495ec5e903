"""The outcome for each mask object and region: private/masks.parquet, and the counts of reasons."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.output.columns import MASK_COLUMNS
from pipeline.output.durable import remove
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import write_table
from pipeline.record import REASON_PREFIX, SeriesRecord, map_types
from pipeline.vocabulary import MaskReason


def publish_masks(output: OutputFolder, records: Iterable[SeriesRecord], unlinked: Iterable[Mapping[str, Any]]) -> None:
    """Write private/masks.parquet in place of the last one; without any row there is none."""
    rows: list[Mapping[str, Any]] = [
        row | {"series_key": record.series_key} for record in records for row in record.masks
    ]
    rows += unlinked
    if rows:
        write_table(output.masks, map_types(MASK_COLUMNS), sorted(rows, key=_order), private=True)
    else:
        remove(output.masks)


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["mask"], row["path"], row.get("series_key") or "", row.get("number") or 0, row.get("region") or ""


def count_mask_reasons(records: Iterable[SeriesRecord]) -> dict[str, dict[MaskReason, int]]:
    """Return for each mask that was asked for how many series have it, or why they have none."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for column, value in record.labels.items():
            if column.startswith(REASON_PREFIX) and value in set(MaskReason):
                counts.setdefault(column.removeprefix(REASON_PREFIX), Counter())[str(value)] += 1
    return {name: {one: found[one] for one in MaskReason if found[one]} for name, found in sorted(counts.items())}
