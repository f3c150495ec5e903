"""Another reader of an output, written from docs/output-format.md alone, with json, hashlib, zarr and pyarrow."""

import json
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from numpy.typing import NDArray
from phantoms import Series, write_series
from running import carry_out

from pipeline.geometry import Xyz

pytestmark = pytest.mark.usefixtures("in_this_process")

STEPS = """
steps: [{clip: {low_hu: -1000, high_hu: 400}}, {normalise: {to: zero_one}}]
store: {dtype: int16}
manifest: {identifiers: keep}
"""


def key_of(*parts: str, secret: bytes = b"") -> str:
    """Return a key as the page's section on keys says."""
    digest = blake2b(digest_size=10, key=secret)
    for part in parts:
        content = part.encode()
        digest.update(str(len(content)).encode() + b":" + content)
    return digest.hexdigest()


def manifest(output: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(output / "manifest.parquet").to_pylist()
    return rows


def hash_of(store: Path) -> tuple[str, int]:
    """Return the hash and the bytes of a store as the page's section on them says."""
    files = sorted((path.relative_to(store).as_posix(), path) for path in store.rglob("*") if path.is_file())
    digest = sha256()
    for name, path in files:
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest(), sum(path.stat().st_size for _, path in files)


def hounsfield(group: zarr.Group) -> NDArray[np.float64]:
    """Return a store's values as HU: unpacked, then turned back."""
    stored, packing, inverse = group["0"][:], group["0"].attrs, group.attrs["ctprep"]["inverse"]
    values = stored.astype(float) * packing.get("scale_factor", 1) + packing.get("add_offset", 0)
    hu: NDArray[np.float64] = inverse["a"] * values + inverse["b"]
    return hu


@pytest.fixture
def source(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in", row_axis=Xyz(-1.0, 0.0, 0.0), column_axis=Xyz(0.0, 1.0, 0.0))


@pytest.fixture
def output(tmp_path: Path, source: Series) -> Path:
    assert source.paths
    return carry_out(tmp_path, tmp_path / "in", STEPS).output.root


def test_keys_follow_from_the_identifiers(output: Path, source: Series) -> None:
    (row,) = manifest(output)
    assert row["series_key"] == key_of("series", source.series_uid)
    assert row["patient"] == key_of("patient", source.patient_id)
    assert row["study"] == key_of("study", "patient", source.patient_id, source.study_uid)
    slices = pq.read_table(output / "slices.parquet").to_pylist()
    assert len({one["slice_key"] for one in slices}) == len(source.paths)
    assert (row["PatientID"], row["SeriesInstanceUID"]) == (source.patient_id, source.series_uid)


def test_keys_of_pseudonyms_need_the_private_key(tmp_path: Path, source: Series) -> None:
    root = carry_out(tmp_path, tmp_path / "in", name="keyed").output.root
    secret = bytes.fromhex((root / "private/key").read_text())
    assert manifest(root)[0]["series_key"] == key_of("series", source.series_uid, secret=secret)
    assert manifest(root)[0]["series_key"] != key_of("series", source.series_uid)


def test_a_store_has_the_hash_and_the_size_that_the_manifest_says(output: Path) -> None:
    (row,) = manifest(output)
    assert (row["sha256"], row["store_bytes"]) == hash_of(output / row["store"])
    assert row["store"] == f"volumes/{row['series_key']}.zarr"


def test_packed_values_lead_back_to_hu(output: Path, source: Series) -> None:
    (row,) = manifest(output)
    group = zarr.open_group(output / row["store"], mode="r")
    assert group["0"].dtype == np.int16
    np.testing.assert_allclose(hounsfield(group), source.truth.clip(-1000, 400), atol=1e-3)
    assert [group.attrs["ctprep"]["format"], group.attrs["ctprep"]["format_version"]] == ["ctprep-volume", 1]


def test_the_affine_is_the_truth_and_scale_and_translation_agree_along_each_axis(output: Path, source: Series) -> None:
    (row,) = manifest(output)
    group = zarr.open_group(output / row["store"], mode="r")
    told = group.attrs["ctprep"]
    affine = np.array(told["affine_lps"])
    np.testing.assert_allclose(affine, source.affine_lps, atol=1e-9)
    np.testing.assert_allclose(affine[:3, 3], told["origin_mm"])
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ affine, told["affine_ras"])
    (image,) = group.attrs["ome"]["multiscales"]
    scale, translation = image["datasets"][0]["coordinateTransformations"]
    np.testing.assert_allclose(scale["scale"], told["spacing_mm"])
    along = (affine[:3, :3] / told["spacing_mm"]).T @ affine[:3, 3]
    np.testing.assert_allclose(translation["translation"], along)
    names = [axis["orientation"]["value"] for axis in image["axes"]]
    assert names == ["superior-to-inferior", "anterior-to-posterior", "left-to-right"]


def test_what_the_page_says_of_a_store_is_there(output: Path) -> None:
    (row,) = manifest(output)
    told = zarr.open_group(output / row["store"], mode="r").attrs["ctprep"]
    assert [entry["step"] for entry in told["trail"]] == ["clip", "normalise"]
    assert told["padding"] == [0]
    assert told["units"] == "normalised"
    assert set(told["source_geometry"]) == {"verdict", "shape", "spacing_mm", "affine_lps", "tilt_deg"}
    for name in ("series_key", "fingerprint", "config_hash", "code_version"):
        assert told[name] == row[name]


def test_every_attribute_is_on_the_page(output: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/output-format.md").read_text(encoding="utf-8")
    (row,) = manifest(output)
    attributes = set(zarr.open_group(output / row["store"], mode="r").attrs["ctprep"])
    assert {name for name in attributes if f"`{name}`" not in page} == set()
    for file in ("run.json", "findings.json"):
        content = json.loads((output / file).read_bytes())
        names = set(content) if isinstance(content, dict) else {name for finding in content for name in finding}
        assert {name for name in names if f"`{name}`" not in page} == set(), file


def test_every_file_is_on_the_page(output: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/output-format.md").read_text(encoding="utf-8")
    names = {path.name for path in (*output.iterdir(), *(output / "private").iterdir())}
    assert {name for name in names if f"`{name}" not in page} == set()
