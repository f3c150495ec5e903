"""An output as a Frictionless Data Package, which checks the manifest's CSV cell by cell.

Source: https://specs.frictionlessdata.io/data-package (version 1).
"""

import re
from typing import Any

from pipeline.card.facts import About, Facts, PublicFile, PublicTable
from pipeline.card.markdown import summary
from pipeline.card.meanings import meaning_of
from pipeline.output.tables import ColumnType

FIELD_TYPES: dict[ColumnType, str] = {"text": "string", "integer": "integer", "number": "number"}
"""Everything else is a list, which a cell holds as JSON."""

CSV = "manifest.csv"


def datapackage(facts: Facts, about: About) -> dict[str, Any]:
    """Return the descriptor; what nobody has said yet is left out."""
    manifest = next(table for table in facts.tables if table.file.name == "manifest")
    files = [*(table.file for table in facts.tables), *facts.files]
    told = {"licenses": about.licence and [_licence(about.licence)], "contributors": _contributors(about)}
    return {
        "profile": "data-package",
        "name": re.sub(r"[^a-z0-9._-]+", "-", about.name.lower()).strip("-") or "ct-volumes",
        "title": about.name,
        "description": f"{summary(facts)} The stores' paths stand in the manifest, in the column store.",
        "version": about.version,
        **({"homepage": about.url} if about.url else {}),
        **{name: value for name, value in told.items() if value},
        "resources": [_table(file, manifest) if file.path == CSV else _file(file) for file in files],
    }


def _licence(licence: str) -> dict[str, str]:
    return {"path" if "://" in licence else "name": licence}


def _contributors(about: About) -> list[dict[str, str]]:
    if about.creator is None:
        return []
    contact = {} if about.contact is None else {"email" if "@" in about.contact else "path": about.contact}
    return [{"title": about.creator} | contact]


def _file(file: PublicFile) -> dict[str, Any]:
    return {
        "profile": "data-resource",
        "type": "file",
        "name": file.path.lower(),
        "path": file.path,
        "description": file.says,
        "bytes": file.n_bytes,
        "hash": f"sha256:{file.sha256}",
    }


def _table(file: PublicFile, table: PublicTable) -> dict[str, Any]:
    fields = [
        {"name": column, "type": FIELD_TYPES.get(kind, "array"), "description": meaning_of(column, table.meanings)}
        for column, kind in table.columns.items()
    ]
    return _file(file) | {
        "profile": "tabular-data-resource",
        "type": "table",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": {"fields": fields, "primaryKey": "series_key", "missingValues": [""]},
    }
