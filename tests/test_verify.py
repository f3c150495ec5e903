import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.axes import Xyz, Zyx
from pipeline.errors import UsageError
from pipeline.geometry import Geometry
from pipeline.manifest import publish
from pipeline.ngff import PATIENT_AXES
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.store import StoreContent, StoreOptions, write_store
from pipeline.verify import Damage, DamageKind, verify
from pipeline.vocabulary import Reason, Status

KEYS = ("aa", "bb", "cc")
OPTIONS = StoreOptions(chunks=(4, 8, 8), shards=None)


def _record(output: OutputFolder, key: str) -> SeriesRecord:
    content = StoreContent(
        array=np.random.default_rng(int(key, 16)).integers(0, 9, (8, 8, 8)).astype("int16"),
        measured=np.ones((8, 8, 8), bool),
        geometry=Geometry(Zyx(8, 8, 8), Zyx(1.0, 1.0, 1.0), Xyz(0.0, 0.0, 0.0), PATIENT_AXES),
        attributes={"series_key": key},
    )
    receipt = write_store(output.store(key), content, OPTIONS)
    return SeriesRecord(series_key=key, status=Status.OK, store_bytes=receipt.n_bytes, sha256=receipt.sha256)


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    refused = SeriesRecord(series_key="dd", status=Status.REJECTED, reason=Reason.SLICE_GAP)
    publish(output, [*(_record(output, key) for key in KEYS), refused])
    return output


def _kinds(damages: list[Damage]) -> list[tuple[DamageKind, str]]:
    return [(damage.kind, damage.series_key) for damage in damages]


@pytest.mark.parametrize("fast", [True, False])
def test_an_untouched_output_is_whole(output: OutputFolder, *, fast: bool) -> None:
    output.unfinished_store("dd").mkdir()
    assert verify(output, fast=fast) == []


def test_a_flipped_bit_is_found_by_reading(output: OutputFolder) -> None:
    chunk = output.store("bb") / "0" / "c" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    assert _kinds(verify(output)) == [(DamageKind.CHANGED, "bb")]
    assert verify(output, fast=True) == []


@pytest.mark.parametrize("fast", [True, False])
def test_a_deleted_chunk_is_found(output: OutputFolder, *, fast: bool) -> None:
    (output.store("bb") / "0" / "c" / "1" / "0" / "0").unlink()
    assert _kinds(verify(output, fast=fast)) == [(DamageKind.CHANGED, "bb")]


def test_two_swapped_chunks_are_found(output: OutputFolder) -> None:
    first, second, aside = (output.store("bb") / "0" / "c" / name for name in ("0", "1", "aside"))
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert _kinds(verify(output)) == [(DamageKind.CHANGED, "bb")]


@pytest.mark.parametrize("fast", [True, False])
def test_a_file_too_many_is_found(output: OutputFolder, *, fast: bool) -> None:
    (output.store("bb") / "note").write_text("mine")
    assert _kinds(verify(output, fast=fast)) == [(DamageKind.CHANGED, "bb")]


def test_a_link_to_nowhere_in_a_store_is_found(output: OutputFolder) -> None:
    (output.store("bb") / "link").symlink_to("nowhere")
    assert verify(output) == [
        Damage(DamageKind.CHANGED, "bb", "the store cannot be read: No such file or directory"),
    ]


@pytest.mark.parametrize("fast", [True, False])
def test_a_removed_store_is_missing(output: OutputFolder, *, fast: bool) -> None:
    shutil.rmtree(output.store("cc"))
    assert _kinds(verify(output, fast=fast)) == [(DamageKind.MISSING, "cc")]


@pytest.mark.parametrize("fast", [True, False])
def test_a_store_that_no_accepted_series_has_is_extra(output: OutputFolder, *, fast: bool) -> None:
    shutil.copytree(output.store("aa"), output.store("dd"))
    (output.volumes / "note").write_text("mine")
    assert _kinds(verify(output, fast=fast)) == [(DamageKind.EXTRA, "dd"), (DamageKind.EXTRA, "note")]


def test_two_stores_that_changed_places_are_swapped(output: OutputFolder) -> None:
    aside = output.volumes / "aside"
    output.store("aa").rename(aside)
    output.store("bb").rename(output.store("aa"))
    aside.rename(output.store("bb"))
    assert verify(output) == [
        Damage(DamageKind.SWAPPED, "aa", "the store is that of series bb"),
        Damage(DamageKind.SWAPPED, "bb", "the store is that of series aa"),
    ]


def test_a_size_that_the_manifest_does_not_say_is_found_even_if_the_bytes_are_right(output: OutputFolder) -> None:
    record = replace(_record(output, "ee"), store_bytes=1)
    shutil.rmtree(output.volumes / "aa.zarr")
    publish(output, [record])
    assert (DamageKind.CHANGED, "ee") in _kinds(verify(output))


def test_verifying_changes_nothing(output: OutputFolder) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in output.root.rglob("*") if path.is_file()}

    shutil.rmtree(output.store("cc"))
    before = everything()
    verify(output)
    assert everything() == before


def test_a_folder_without_manifest_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        verify(OutputFolder(tmp_path))
