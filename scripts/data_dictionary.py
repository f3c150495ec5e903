"""Writes docs/data-dictionary.md from the tables' own definitions: every column, its type, and what it means.

python scripts/data_dictionary.py > docs/data-dictionary.md
"""

from collections.abc import Mapping

from pipeline.card import meanings
from pipeline.output.manifest import ELEMENT_COLUMNS, RECORD_COLUMNS
from pipeline.output.state import HISTOGRAM_COLUMNS
from pipeline.output.tables import ColumnType
from pipeline.run.inventory import FILE_COLUMNS, INDEX_COLUMNS, SLICE_COLUMNS
from pipeline.scan.tag_statistics import TAG_COLUMNS

HEAD = """\
<!-- Written by scripts/data_dictionary.py from the tables' definitions; a test holds it current. -->

# Data dictionary

Every column of every table that a run leaves. [output-format.md](output-format.md) has the rest of the format, and
[reasons.md](reasons.md) the words that may stand in `reason` and `warnings`.

Types: *text* is UTF-8; *integer* has 64 bits; *number* is a double; a plural is a list of them; *value counts* is a
list of `{value, count}`. Null means that it does not apply, or is not known. In CSV null is empty and a list is JSON.
A name that ends in `_mm`, `_hu`, `_deg`, `_s`, `_mb` or `_bytes` has that unit; a `_share` lies between 0 and 1.
"""

TABLES: tuple[tuple[str, str, Mapping[str, ColumnType], dict[str, str]], ...] = (
    (
        "manifest.parquet, manifest.csv",
        "One row a series that was seen. HU columns are of the source before steps, measured voxels only.",
        RECORD_COLUMNS,
        meanings.MANIFEST,
    ),
    (
        "manifest, DICOM elements",
        "As the first slice has them. Then come those that `manifest.tags` adds, and what `manifest.labels` joins.",
        ELEMENT_COLUMNS,
        meanings.MANIFEST,
    ),
    ("slices.parquet", "One row a file, or a frame of a multi-frame object.", SLICE_COLUMNS, meanings.SLICES),
    ("tags.parquet", "One row a DICOM element; see [census.md](census.md).", TAG_COLUMNS, meanings.TAGS),
    ("histograms.parquet", "One row a series that has a store.", HISTOGRAM_COLUMNS, meanings.HISTOGRAMS),
    (
        "private/index.parquet",
        "The way back from a key to a person. Never share it.",
        INDEX_COLUMNS,
        meanings.INDEX,
    ),
    ("private/files.parquet", "The way back to the files. Never share it.", FILE_COLUMNS, meanings.FILES),
)


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_section(*table) for table in TABLES)])


def _section(name: str, says: str, columns: Mapping[str, ColumnType], told: dict[str, str]) -> str:
    rows = [
        f"| `{column}` | {kind.replace('_', ' ')} | {meanings.meaning_of(column, told)} |"
        for column, kind in columns.items()
    ]
    return "\n".join([f"## {name}\n", says, "", "| column | type | means |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    print(page(), end="")
