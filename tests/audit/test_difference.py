from pathlib import Path

import pytest
from dicom_bytes import element, file_bytes
from phantoms import write_series
from pydicom.dataset import Dataset

from pipeline.audit.difference import ElementComparison, compare, format_value
from pipeline.errors import UsageError


def named(compared: ElementComparison) -> dict[str, tuple[object, object]]:
    return {found.name: (found.a, found.b) for found in compared.differences}


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "one", n=3).folder


def test_a_file_and_a_series_do_not_differ_from_themselves(series: Path) -> None:
    assert compare(series, series).differences == ()
    file = next(series.iterdir())
    assert compare(file, file).differences == ()


def test_files_differ_in_values_and_in_what_only_one_has(tmp_path: Path) -> None:
    one = write_series(tmp_path / "one", n=1, series_uid="1.2")
    other = write_series(tmp_path / "other", n=1, series_uid="1.2", change=_without_kernel)
    compared = compare(one.paths[0], other.paths[0])
    assert named(compared) == {
        "ConvolutionKernel": ("STANDARD", None),
        "ImageComments": (None, "later"),
        "KVP": ("120.0", "100.0"),
    }
    assert [found.tag for found in compared.differences] == ["0018,0060", "0018,1210", "0020,4000"]
    assert [len(side) for side in (compared.only_a, compared.only_b, compared.different)] == [1, 1, 1]


def _without_kernel(dataset: Dataset, z: int) -> None:
    del dataset.ConvolutionKernel, z
    dataset.ImageComments = "later"
    dataset.KVP = 100


def test_in_series_what_is_constant_is_one_value_and_the_rest_varies(tmp_path: Path, series: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.KVP = 100 if z else 120
        if z:
            dataset.ImageComments = "not the first"

    other = write_series(tmp_path / "other", n=3, change=change).folder
    found = named(compare(series, other))
    assert found["KVP"] == ("120.0", ("100.0", "120.0"))
    assert found["ImageComments"] == (None, (None, "not the first"))
    assert "InstanceNumber" not in found, "both vary, over the same values"
    assert "Rows" not in found


def test_numbers_vary_in_their_order(tmp_path: Path, series: Path) -> None:
    other = write_series(tmp_path / "other", n=11).folder
    assert named(compare(series, other))["InstanceNumber"] == (
        ("1", "2", "3"),
        tuple(str(number) for number in range(1, 12)),
    )


def test_pixels_differ_by_their_bytes(tmp_path: Path) -> None:
    one, other = (write_series(tmp_path / f"{seed}", n=1, seed=seed, series_uid="1.2") for seed in (0, 1))
    found = named(compare(one.paths[0], other.paths[0]))
    assert list(found) == ["PixelData"]
    assert str(found["PixelData"][0]).startswith("32 x 32, 2048 bytes, sha256 ")


def test_what_is_no_dicom_beside_a_series_is_left_out_and_reported(tmp_path: Path, series: Path) -> None:
    other = write_series(tmp_path / "other" / "one", n=3, series_uid="1.2").folder
    (other / "notes.txt").write_text("nothing")
    (other / "link").symlink_to("notes.txt")
    (other / "DICOMDIR").write_bytes(file_bytes(element(0x00041220, "SQ")))
    compared = compare(series, other)
    assert compared.notes == ("B: left out 3 without readable DICOM, or DICOMDIR",)
    assert compared.n_files_b == 3


def test_a_file_that_breaks_off_is_compared_as_far_as_it_goes_and_reported(series: Path) -> None:
    whole, cut = sorted(series.iterdir())[:2]
    cut.write_bytes(whole.read_bytes()[:-1000])
    compared = compare(whole, cut)
    assert list(named(compared)) == ["PixelData"]
    assert compared.notes == ("B: 1 read in part, the first for PIXELS_LENGTH: the file ends inside the pixel data",)


@pytest.mark.parametrize("content", [None, b"", b"no DICOM"])
def test_a_side_without_dicom_is_a_usage_error(content: bytes | None, tmp_path: Path, series: Path) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError, match="B holds no DICOM"):
        compare(series, tmp_path / "file")


def test_a_folder_without_files_is_a_usage_error(tmp_path: Path, series: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="A holds no DICOM"):
        compare(tmp_path / "empty", series)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("CT", "CT"),
        ("", "(empty)"),
        ((None, "", "1"), "varies (3 values): (absent); (empty); 1"),
        (tuple("123456"), "varies (6 values): 1; 2; 3; 4; ..."),
    ],
)
def test_a_side_in_words(value: str | tuple[str | None, ...], words: str) -> None:
    assert format_value(value) == words
