"""Writes docs/data-dictionary.md from the tables' own definitions: every column, its type, and what it means.

python scripts/data_dictionary.py > docs/data-dictionary.md
"""

from collections.abc import Mapping

from pipeline.card.facts import describe_column
from pipeline.output.columns import TABLES
from pipeline.output.manifest import ELEMENT_COLUMNS
from pipeline.record import RECORD_COLUMNS, Column

HEAD = """\
<!-- Written by scripts/data_dictionary.py from the tables' definitions; a test holds it current. -->

# Data dictionary

Every column of every table that a run leaves. [output-format.md](output-format.md) has the rest of the format, and
[reasons.md](reasons.md) the words that may stand in `reason` and `warnings`.

Types: *text* is UTF-8; *integer* has 64 bits; *number* is a double; a plural is a list of them; *value counts* is a
list of `{value, count}`. Null means that it does not apply, or is not known. In CSV null is empty and a list is JSON.
A `_share` lies between 0 and 1.
"""

ELEMENTS = {name: Column(name, kind, describe_column(name, {})) for name, kind in ELEMENT_COLUMNS.items()}

MANIFEST: dict[str, Mapping[str, Column]] = {
    "manifest.parquet, manifest.csv": RECORD_COLUMNS,
    "manifest, DICOM elements": ELEMENTS,
}

SENTENCES = {
    "manifest.parquet, manifest.csv": "One row per series that was seen. HU columns are of the source before "
    "steps, valid voxels only.",
    "manifest, DICOM elements": "As the first slice has them. Then come those that `manifest.tags` adds, and what "
    "`manifest.labels` joins.",
    "slices.parquet": "One row per file, or a frame of a multi-frame object.",
    "tags.parquet": "One row a DICOM element; see [census.md](census.md).",
    "histograms.parquet": "One row per series that has a store.",
    "private/index.parquet": "The way back from a key to a person. Never share it.",
    "private/files.parquet": "The way back to the files. Never share it.",
    "private/masks.parquet": "One row per mask, object, series and region; see [labels.md](labels.md).",
}
"""What a row of each table is."""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_section(name, columns) for name, columns in (MANIFEST | TABLES).items())])


def _section(name: str, columns: Mapping[str, Column]) -> str:
    rows = [
        f"| `{column.name}` | {column.type.replace('_', ' ')} | {column.unit or ''} | {column.meaning} |"
        for column in columns.values()
    ]
    return "\n".join(
        [f"## {name}\n", SENTENCES[name], "", "| column | type | unit | means |", "|---|---|---|---|", *rows, ""]
    )


if __name__ == "__main__":
    print(page(), end="")
