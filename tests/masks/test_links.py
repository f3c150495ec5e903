from pathlib import Path
from typing import Any

import pytest

from pipeline.masks.links import ImageSeries, MaskObject, References, Unlinked, find_sources, link_objects
from pipeline.masks.sources import MaskOptions
from pipeline.vocabulary import MaskReason

A = ImageSeries("a", "1.1", "P-1", "1", "1.9", frozenset({"1.1.1", "1.1.2"}))
B = ImageSeries("b", "1.2", "P-1", "1", "1.9", frozenset({"1.2.1", "1.2.2"}))
C = ImageSeries("c", "2.1", "P-2", "2", "2.9", frozenset({"2.1.1"}))


def mask(patient: str = "P-1", study: str = "1", series: str = "9.9", path: str = "rs.dcm", **told: Any) -> MaskObject:
    return MaskObject(path, "RTSTRUCT", patient, study, series, References(**told))


def linked(one: MaskObject, *images: ImageSeries) -> list[tuple[str, str]]:
    links = link_objects([one], images or (A, B, C))
    return [(key, link) for key, pairs in sorted(links.by_series.items()) for _, link in pairs]


def left_out(one: MaskObject, *images: ImageSeries) -> Unlinked:
    (left,) = link_objects([one], images or (A, B, C)).unlinked
    return left


def test_an_object_belongs_to_the_series_that_it_names() -> None:
    assert linked(mask(series_uids=("1.2",), image_uids=("8.8",), frame_uids=("2.9",))) == [("b", "series")]


def test_without_a_series_the_images_decide() -> None:
    assert linked(mask(image_uids=("1.2.1",), frame_uids=("1.9",))) == [("b", "images")]
    assert linked(mask(series_uids=("7.7",), image_uids=("1.2.1",))) == [("b", "images")]


def test_images_of_several_series_decide_nothing_unless_one_holds_them_all() -> None:
    copy = ImageSeries("d", "1.3", "P-1", "1", "1.9", frozenset({"1.1.1"}))
    assert linked(mask(image_uids=("1.1.1", "1.1.2")), A, copy) == [("a", "images")]
    assert "several series" in left_out(mask(image_uids=("1.1.1", "1.2.1"))).detail


def test_of_the_parts_of_a_series_those_count_that_hold_the_images() -> None:
    parts = [ImageSeries(key, "1.1", "P-1", "1", "1.9", frozenset({uid})) for key, uid in (("a", "5"), ("b", "6"))]
    assert linked(mask(series_uids=("1.1",), image_uids=("6",)), *parts) == [("b", "series")]
    assert linked(mask(series_uids=("1.1",)), *parts) == [("a", "series"), ("b", "series")]


def test_the_frame_of_reference_decides_where_exactly_one_series_lies_in_it() -> None:
    assert linked(mask("P-2", "2", frame_uids=("2.9",))) == [("c", "frame")]
    assert "2 series lie" in left_out(mask(frame_uids=("1.9",))).detail
    assert left_out(mask("P-2", "2", series_uids=("7.7",), frame_uids=("2.9",))).reason is MaskReason.NOT_LINKED


def test_series_without_a_frame_of_reference_have_none_in_common() -> None:
    bare = ImageSeries("a", "1.1", "P-1", "1", "", frozenset())
    assert "no series, image or frame" in left_out(mask(), bare).detail


def test_an_object_in_the_series_of_its_images_belongs_to_it() -> None:
    assert linked(mask(series="1.2")) == [("b", "series")]


def test_an_object_of_another_patient_is_not_linked_and_its_series_are_named() -> None:
    left = left_out(mask("P-9", "9", series_uids=("1.1",)))
    assert (left.detail, left.near) == ("it refers to a series of another patient", {"a"})
    assert linked(mask("", "", series_uids=("1.1",))) == [("a", "series")]
    assert linked(mask("P-9", "1", series_uids=("1.1",))) == [("a", "series")]


def test_an_object_that_cannot_be_linked_is_near_the_series_of_its_patient_or_study() -> None:
    assert left_out(mask(series_uids=("7.7",))).near == {"a", "b"}
    assert left_out(mask("", "2", series_uids=("7.7",))).near == {"c"}
    assert left_out(mask("P-9", "", series_uids=("7.7",))).near == set()


def test_an_object_that_contradicts_itself_is_not_linked() -> None:
    left = left_out(mask(series_uids=("1.1",), image_uids=("1.2.1",)))
    assert (left.reason, left.detail) == (MaskReason.NOT_LINKED, "it names one series and images of another")
    assert linked(mask(series_uids=("1.1",), image_uids=("8.8",))) == [("a", "series")]


def test_an_object_of_a_series_that_is_no_ct_is_missing_from_none() -> None:
    (left,) = link_objects([mask(series_uids=("5.5",))], [A, B, C], {"5.5"}).unlinked
    assert (left.detail, left.near) == ("it refers to a series that holds no CT image", frozenset())


def test_a_series_without_a_mask_says_why() -> None:
    options = MaskOptions("gtv", dicom="RTSTRUCT")
    linked_elsewhere = mask(series_uids=("1.1",))
    links = link_objects([linked_elsewhere, mask("P-2", "2", path="x", series_uids=("7.7",))], [A, B, C])
    found = find_sources(options, links, ["a", "b", "c"])
    assert [found[key].missing for key in "abc"] == [None, MaskReason.NO_OBJECT, MaskReason.NOT_LINKED]
    damaged = mask("P-2", "2", unread=MaskReason.UNREADABLE)
    assert find_sources(options, link_objects([damaged], [C]), ["c"])["c"].missing is MaskReason.UNREADABLE


def numbers(options: MaskOptions, *objects: MaskObject) -> dict[str, tuple[tuple[str, int], ...]]:
    found = find_sources(options, link_objects(objects, [A, B, C]), ["a", "b", "c"])
    return {key: source.choice.numbers for key, source in found.items() if source.files}


def test_names_are_numbered_in_their_order_over_the_cohort() -> None:
    both = mask(series_uids=("1.1",), regions=("heart", "esophagus"))
    heart = mask("P-2", "2", path="x.dcm", series_uids=("2.1",), regions=("heart", "couch"))
    elsewhere = mask(path="y.dcm", series_uids=("7.7",), regions=("aorta",))
    expected = {"a": (("esophagus", 1), ("heart", 2)), "c": (("heart", 2),)}
    wanted = MaskOptions("organs", dicom="RTSTRUCT", roi="heart|esoph")
    assert numbers(wanted, both, heart, elsewhere) == numbers(wanted, elsewhere, heart, both) == expected


def test_named_regions_have_their_place_as_number() -> None:
    options = MaskOptions("organs", dicom="RTSTRUCT", regions={"heart": "(?i)^heart", "gtv": "^GTV"})
    names = ["GTV-1", "Heart", "lung", "GTV-2"]
    assert options.choice.assign_numbers(names) == [2, 1, None, 2]
    assert numbers(options, mask(series_uids=("1.1",), regions=("Heart",))) == {"a": ()}


def test_every_series_has_as_many_layers() -> None:
    objects = [
        mask(series_uids=("1.1",), regions=("b",)),
        mask("P-2", "2", path="x.dcm", series_uids=("2.1",), regions=("a", "c")),
    ]
    found = find_sources(MaskOptions("m", dicom="RTSTRUCT", layers=True), link_objects(objects, [A, C]), ["a", "c"])
    assert {source.choice.n_layers for source in found.values()} == {3}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"nifti": "x.nii", "regions": {"a": "b"}}, "for dicom"),
        ({"nifti": "x.nii", "layers": True}, "for dicom"),
        ({"dicom": "SEG", "regions": {}}, "at least one"),
        ({"dicom": "SEG", "regions": {"a/b": "x"}}, "names of regions"),
        ({"dicom": "SEG", "regions": {"a": "("}}, "regions.a must be a regular expression"),
        ({"dicom": "SEG", "regions": {"a": "x"}, "roi": "x"}, "either roi or regions"),
    ],
)
def test_options_that_cannot_hold_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaskOptions("m", **told)


def test_paths_do_not_decide_the_order_of_numbers(tmp_path: Path) -> None:
    for names in (("x", "y"), ("y", "x")):
        objects = [
            mask(path=str(tmp_path / file), series_uids=("1.1",), regions=(name,))
            for file, name in zip(("1", "2"), names, strict=True)
        ]
        assert numbers(MaskOptions("m", dicom="RTSTRUCT"), *objects) == {"a": (("x", 1), ("y", 2))}
