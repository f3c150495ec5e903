"""What a card describes: the tables, the series and the processing of an output; ``private/`` is never read."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.elements import kind_of
from pipeline.errors import DamageError, UsageError
from pipeline.output.columns import HISTOGRAM_COLUMNS, SLICE_COLUMNS, TAG_COLUMNS
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import column_types, read_table
from pipeline.record import RECORD_COLUMNS, Column, ColumnType
from pipeline.store.read import open_store


@dataclass(frozen=True)
class About:
    """What its makers say of a data set; None is marked as still to be filled in."""

    name: str = "CT volumes"
    version: str = "1.0.0"
    licence: str | None = None
    creator: str | None = None
    contact: str | None = None
    citation: str | None = None
    url: str | None = None
    published: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what nobody has said yet."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is None)


Trail = Sequence[Mapping[str, Any]]
"""A store's own list of ``{"step": name, "parameters": {...}}``."""

NthStep = tuple[str, int]
"""A step's name, and how often it has come before in its trail."""


@dataclass(frozen=True)
class Processing:
    """A step: how many series went through it, and with which parameters; None where they differ."""

    step: str
    n_series: int
    parameters: Mapping[str, Any] | None


def summarise_processing(trails: Sequence[Trail]) -> tuple[Processing, ...]:
    """Return the steps of all trails, each behind those that it follows."""
    order: list[NthStep] = []
    parameters: dict[NthStep, list[Mapping[str, Any]]] = defaultdict(list)
    for trail in sorted(trails, key=len, reverse=True):
        steps = _numbered(trail)
        _insert(order, steps)
        for step, entry in zip(steps, trail, strict=True):
            parameters[step].append(entry["parameters"])
    return tuple(Processing(step[0], len(parameters[step]), _only(parameters[step])) for step in order)


def _numbered(trail: Trail) -> list[NthStep]:
    seen: Counter[str] = Counter()
    numbered = []
    for name in (entry["step"] for entry in trail):
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered


def _insert(order: list[NthStep], steps: Iterable[NthStep]) -> None:
    """Put the steps that are not in the order yet behind those that come before them."""
    place = 0
    for step in steps:
        if step not in order:
            order.insert(place, step)
        place = order.index(step) + 1


def _only(parameters: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return parameters[0] if all(one == parameters[0] for one in parameters) else None


Row = Mapping[str, Any]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class PublicFile:
    """A file of an output as it is now."""

    path: str
    says: str
    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, says: str) -> "PublicFile":
        """Describe a file that is there."""
        content = path.read_bytes()
        return cls(path.name, says, len(content), sha256(content).hexdigest())

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.partition(".")[0]


@dataclass(frozen=True)
class PublicTable:
    """A Parquet file, its columns, and those that ctprep itself defines."""

    file: PublicFile
    columns: Mapping[str, ColumnType]
    known: Mapping[str, Column]


@dataclass(frozen=True)
class Facts:
    """An output, read once."""

    tables: tuple[PublicTable, ...]
    files: tuple[PublicFile, ...]
    rows: tuple[Row, ...]
    processing: tuple[Processing, ...]

    @classmethod
    def of(cls, output: OutputFolder) -> "Facts":
        """Read an output; raises UsageError where there is none, DamageError where a store is not there."""
        if not output.manifest.exists():
            msg = f"{output.root} holds no manifest.parquet: it is no output of `ctprep run`"
            raise UsageError(msg)
        rows = tuple(read_table(output.manifest))
        trails = [_trail(output.root / row["store"]) for row in rows if row["store"]]
        return cls(tuple(_tables(output)), tuple(_files(output)), rows, summarise_processing(trails))

    @cached_property
    def ready(self) -> tuple[Row, ...]:
        """The series that have a store."""
        return tuple(row for row in self.rows if row["store"])

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that were made, in their usual order."""
        found = {row["split"] for row in self.ready} - {None}
        return tuple(name for name in SPLITS if name in found)

    @property
    def keeps_identifiers(self) -> bool:
        """Whether the tables hold PatientID and UIDs."""
        return any("PatientID" in row for row in self.rows)


def _trail(store: Path) -> list[dict[str, Any]]:
    try:
        trail: list[dict[str, Any]] = open_store(store).attributes["trail"]
    except FileNotFoundError as error:
        msg = f"{store.name} is not there: `ctprep verify` lists what else differs from the manifest"
        raise DamageError(msg) from error
    return trail


def _tables(output: OutputFolder) -> Iterable[PublicTable]:
    for path, says, known in (
        (output.manifest, "One row per series that was seen, with its outcome.", RECORD_COLUMNS),
        (output.slices, "One row per file, or a frame of one.", SLICE_COLUMNS),
        (output.tags, "One row a DICOM element: how often, how varied, and of what use.", TAG_COLUMNS),
        (output.histograms, "The source's HU of each stored series, counted in bins of 1 HU.", HISTOGRAM_COLUMNS),
    ):
        if path.exists():
            yield PublicTable(PublicFile.of(path, says), column_types(path), known)


def _files(output: OutputFolder) -> Iterable[PublicFile]:
    for path, says in (
        (output.manifest_csv, "The manifest for spreadsheets: lists are JSON, null is empty."),
        (output.config, "The configuration with every default spelled out, without paths."),
        (output.findings, "What is odd about the cohort, the gravest first."),
        (output.statistics, "Cohort statistics, and the series they come from."),
    ):
        if path.exists():
            yield PublicFile.of(path, says)


def describe_column(name: str, known: Mapping[str, Column]) -> str:
    """Return what a column means: as ctprep defines it, or DICOM the element; any other was joined by the user."""
    if name in known:
        return known[name].meaning
    kind = kind_of(name)
    return f"DICOM element ({kind.tag}), {kind.module}." if kind else "As manifest.labels has joined it."
