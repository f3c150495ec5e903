"""Every store against what the manifest says of it.  Looks only; never repairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.manifest import read_records
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.store import hash_store, size_of_store
from pipeline.vocabulary import Status


class DamageKind(StrEnum):
    """How a store can differ from the manifest."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    SWAPPED = "swapped"


@dataclass(frozen=True)
class Damage:
    """One difference: its kind, the series (of an extra store, the name it has), and what was found."""

    kind: DamageKind
    series_key: str
    what: str


def verify(output: OutputFolder, *, fast: bool = False) -> list[Damage]:
    """Return what differs, sorted by series; ``fast`` compares names and sizes and reads no store.

    Raises UsageError where there is no manifest, DamageError where it cannot be read.
    """
    records = {record.series_key: record for record in read_records(output) if record.status is Status.OK}
    owners = {record.sha256: key for key, record in records.items() if record.sha256}
    found = [damage for record in records.values() if (damage := _damage(output, record, owners, fast=fast))]
    return sorted(found + _extras(output, records), key=lambda damage: (damage.series_key, damage.kind))


def _damage(output: OutputFolder, record: SeriesRecord, owners: Mapping[str, str], *, fast: bool) -> Damage | None:
    store = output.store(record.series_key)
    if not store.is_dir():
        return Damage(DamageKind.MISSING, record.series_key, "the store is not there")
    try:
        n_bytes = size_of_store(store)
        if fast:
            return _size_damage(record, n_bytes)
        return _content_damage(record, hash_store(store), owners) or _size_damage(record, n_bytes)
    except OSError as error:
        return Damage(DamageKind.CHANGED, record.series_key, f"the store cannot be read: {error.strerror}")


def _size_damage(record: SeriesRecord, n_bytes: int) -> Damage | None:
    if n_bytes == record.store_bytes:
        return None
    what = f"the store has {n_bytes} bytes, the manifest says {record.store_bytes}"
    return Damage(DamageKind.CHANGED, record.series_key, what)


def _content_damage(record: SeriesRecord, found: str, owners: Mapping[str, str]) -> Damage | None:
    if found == record.sha256:
        return None
    if owner := owners.get(found):
        return Damage(DamageKind.SWAPPED, record.series_key, f"the store is that of series {owner}")
    return Damage(DamageKind.CHANGED, record.series_key, "the store's bytes are not those that were written")


def _extras(output: OutputFolder, records: Mapping[str, SeriesRecord]) -> list[Damage]:
    """Everything in volumes/ that no record names; what a killed run left unfinished is the next run's to remove."""
    known = {output.store(key).name for key in records}
    return [
        Damage(DamageKind.EXTRA, path.name.removesuffix(".zarr"), "no series of the manifest has this store")
        for path in (output.volumes.iterdir() if output.volumes.is_dir() else ())
        if path.name not in known and not path.name.endswith(".unfinished")
    ]
