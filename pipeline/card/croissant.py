"""An output as Croissant metadata, the JSON-LD that data set searches and loaders read.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (version 1.0) and its RAI vocabulary.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.card.facts import About, Facts, PublicFile, PublicTable, describe_column
from pipeline.card.markdown import limitations, processing, summary
from pipeline.record import ColumnType

CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")

OWN_WORDS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset"
    " jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source"
    " subField transform"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {word: f"cr:{word}" for word in OWN_WORDS.split()}

DATA_TYPES: dict[ColumnType, str] = {
    "text": "sc:Text",
    "texts": "sc:Text",
    "integer": "sc:Integer",
    "integers": "sc:Integer",
    "number": "sc:Float",
    "numbers": "sc:Float",
    "boolean": "sc:Boolean",
}
"""A column of counted values has no type here; it is in the file all the same."""

MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "parquet": "application/x-parquet", "yaml": "text/yaml"}


def croissant(facts: Facts, about: About) -> dict[str, Any]:
    """Return the metadata; what nobody has said yet is left out."""
    known = {
        "license": about.licence,
        "creator": about.creator and {"@type": "sc:Organization", "name": about.creator, "email": about.contact},
        "citeAs": about.citation,
        "url": about.url,
        "datePublished": about.published,
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": about.name,
        "description": summary(facts),
        "conformsTo": list(CONFORMS_TO),
        "version": about.version,
        "keywords": ["CT", "computed tomography", "OME-Zarr", "medical imaging"],
        **{name: value for name, value in known.items() if value is not None},
        "rai:dataPreprocessingProtocol": processing(facts),
        "rai:dataLimitations": limitations(facts),
        "distribution": [*_files(facts), _volumes()],
        "recordSet": [*_splits(facts), *(_records(table, facts) for table in facts.tables)],
    }


def _files(facts: Facts) -> Iterator[dict[str, Any]]:
    yield from (_file(table.file) for table in facts.tables)
    yield from map(_file, facts.files)


def _file(file: PublicFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": file.says,
        "contentUrl": file.path,
        "contentSize": f"{file.n_bytes} B",
        "encodingFormat": MEDIA_TYPES[file.path.rpartition(".")[2]],
        "sha256": file.sha256,
    }


def _volumes() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "volumes",
        "name": "volumes",
        "description": "One Zarr v3 group a series, with OME-NGFF 0.5 metadata; the manifest has its SHA-256.",
        "encodingFormat": "application/vnd.zarr; version=3",
        "includes": "volumes/*.zarr/**",
    }


def _splits(facts: Facts) -> Iterator[dict[str, Any]]:
    if facts.splits:
        yield {
            "@type": "cr:RecordSet",
            "@id": "splits",
            "name": "splits",
            "description": "The splits, made by patient.",
            "dataType": "cr:Split",
            "key": {"@id": "splits/name"},
            "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
            "data": [{"splits/name": name} for name in facts.splits],
        }


def _records(table: PublicTable, facts: Facts) -> dict[str, Any]:
    fields = [
        _field(table, column, kind) | _reference(column, facts)
        for column, kind in table.columns.items()
        if kind in DATA_TYPES
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": table.file.name,
        "name": table.file.name,
        "description": table.file.says,
        "field": fields,
    }


def _field(table: PublicTable, column: str, kind: ColumnType) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table.file.name}/{column}",
        "name": column,
        "description": describe_column(column, table.known),
        "dataType": DATA_TYPES[kind],
        "source": {"fileObject": {"@id": table.file.path}, "extract": {"column": column}},
    } | ({"repeated": True} if kind.endswith("s") else {})


def _reference(column: str, facts: Facts) -> dict[str, Any]:
    """Say that the column of splits names one of the splits."""
    return {"references": {"field": {"@id": "splits/name"}}} if column == "split" and facts.splits else {}
