import re
from collections import Counter
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.axes import Xyz, Zyx
from pipeline.features import Histogram, features_of, histogram_of
from pipeline.geometry import Geometry
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report.options import ReportOptions
from pipeline.report.page import TEMPLATES, write_report
from pipeline.store import StoreContent, StoreOptions, write_store
from pipeline.vocabulary import Reason, SeriesWarning, Status
from pipeline.volume import Volume

HOSTILE = '"><img src=x onerror=alert(1)>'
OK_KEY, SPLIT_KEY, GAP_KEY, MR_KEY = ("0a" * 10, "1b" * 10, "2c" * 10, "3d" * 10)
SUMMARY = {
    "exit_code": 3,
    "started_at": "2026-05-04T02:00:00Z",
    "finished_at": "2026-05-04T02:03:11Z",
    "config_hash": "5a2b77c09d1e",
    "versions": {"ctprep": "0.1.0"},
}
VOID = {"img", "link", "meta", "path"}

Attributes = dict[str, str | None]


class Page(HTMLParser):
    """A page taken apart; refuses tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Attributes]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def every(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]

    def named(self, tag: str) -> list[Attributes]:
        return [attributes for name, attributes in self.tags if name == tag]


def prepared(output: OutputFolder, key: str) -> tuple[SeriesRecord, Histogram]:
    """Store a series of a few voxels and return its record and histogram."""
    voxels = np.random.default_rng(3).normal(40, 300, (6, 16, 16)).round().astype(np.float32)
    geometry = Geometry(
        Zyx(*voxels.shape), Zyx(2.0, 1.0, 1.0), Xyz(0, 0, 0), Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))
    )
    volume = Volume(voxels, np.ones(voxels.shape, np.bool_), geometry)
    content = StoreContent(
        array=voxels.astype(np.int16), measured=volume.measured, geometry=geometry, attributes={"units": "HU"}
    )
    output.volumes.mkdir(parents=True, exist_ok=True)
    write_store(output.store(key), content, StoreOptions())
    record = SeriesRecord(
        series_key=key,
        status=Status.OK,
        n_slices=6,
        shape_in=geometry.shape,
        spacing_in_mm=geometry.spacing_mm,
        shape=geometry.shape,
        spacing_mm=geometry.spacing_mm,
        orientation="LPS",
        **asdict(features_of(volume)),
    )
    return record, histogram_of(volume)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[OutputFolder, list[SeriesRecord], dict[str, Histogram]]:
    output = OutputFolder(tmp_path)
    plain, histogram = prepared(output, OK_KEY)
    hostile = {"Manufacturer": HOSTILE, "ManufacturerModelName": "{{ 7 * 7 }}", "ConvolutionKernel": ["<script>", "3"]}
    records = [
        plain,
        replace(
            prepared(output, SPLIT_KEY)[0],
            warnings=(SeriesWarning.W_PADDING, SeriesWarning.W_TEXT_SANITISED),
            elements=hostile,
        ),
        SeriesRecord(series_key=GAP_KEY, status=Status.REJECTED, reason=Reason.SLICE_GAP, detail="1 of 9 <intervals>"),
        SeriesRecord(series_key=MR_KEY, status=Status.EXCLUDED, reason=Reason.NOT_CT, detail="Modality MR"),
    ]
    return output, records, {OK_KEY: histogram, SPLIT_KEY: histogram}


def written(cohort: Any, options: ReportOptions = ReportOptions(), summary: dict[str, Any] = SUMMARY) -> str:  # noqa: B008  # read only
    output, records, histograms = cohort
    path = write_report(output, records, summary, options, histograms)
    assert path == output.report / "index.html"
    assert [file.name for file in output.report.iterdir()] == ["index.html"]
    return path.read_text(encoding="utf-8")


def test_every_tag_closes_and_every_anchor_leads_somewhere(cohort: Any) -> None:
    page = Page(written(cohort))
    ids = page.every("id")
    assert [name for name, n in Counter(ids).items() if n > 1] == []
    assert {link[1:] for link in page.every("href") if link.startswith("#")} <= set(ids)
    assert {name for names in page.every("aria-labelledby") for name in names.split()} <= set(ids)


def test_no_request_leaves_the_page(cohort: Any) -> None:
    text = written(cohort)
    page = Page(text)
    addresses = page.every("src") + page.every("href") + page.every("action") + page.every("srcset")
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"https?:|url\(|@import|<script|<iframe|<object", text)
    assert {"default-src 'none'; img-src data:; style-src 'unsafe-inline'"} <= set(page.every("content"))


def test_what_comes_from_data_stays_text(cohort: Any) -> None:
    page = Page(written(cohort))
    assert f"{HOSTILE} {{{{ 7 * 7 }}}}" in page.text
    assert "<script> / 3" in page.text
    assert "1 of 9 <intervals>" in page.text
    assert not any("onerror" in attributes for _, attributes in page.tags)


def test_half_a_surrogate_pair_in_a_header_does_not_cost_the_report(cohort: Any) -> None:
    output, records, histograms = cohort
    broken = replace(records[0], elements={"Manufacturer": "half \ud800 pair"})
    assert "half ? pair" in written((output, [broken], histograms))


def test_the_headline_counts_ct_series_alone(cohort: Any) -> None:
    assert "2 of 3 CT series ready" in Page(written(cohort)).text


def test_a_refused_series_comes_with_what_to_do_about_it(cohort: Any) -> None:
    text = " ".join(Page(written(cohort)).text)
    for reason in (Reason.SLICE_GAP, Reason.NOT_CT):
        assert reason.meaning in text
        assert reason.advice in text
    assert SeriesWarning.W_PADDING.meaning in text


def test_every_series_has_a_row_and_every_ready_one_pictures_and_a_histogram(cohort: Any) -> None:
    page = Page(written(cohort))
    assert [row.get("scope") for row in page.named("th")] == ["col"] * 9 + ["row"] * 4
    assert len(page.named("img")) == 6
    assert all(image["alt"] and image["src"].startswith("data:image/webp;base64,") for image in page.named("img"))
    assert len(page.named("svg")) == len(page.named("desc")) == 3


def test_pictures_are_left_out_where_they_are_not_wanted(cohort: Any) -> None:
    text = written(cohort, ReportOptions(pictures=False))
    assert Page(text).named("img") == []
    assert "No pictures" not in text


@pytest.mark.parametrize("damage", ["gone", "emptied", "cut"])
def test_a_damaged_store_costs_its_pictures_and_not_the_report(cohort: Any, damage: str) -> None:
    output = cohort[0]
    store = output.store(OK_KEY)
    if damage == "gone":
        store.rename(output.root / "elsewhere")
    elif damage == "emptied":
        (store / "zarr.json").write_text("{}")
    else:
        data = max((file for file in store.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
        data.write_bytes(data.read_bytes()[:-300] + bytes(300))
    text = written(cohort)
    assert len(Page(text).named("img")) == 3
    assert "No pictures: the store is missing or cannot be read." in text


def test_the_same_input_gives_the_same_bytes_in_any_order(cohort: Any) -> None:
    output, records, histograms = cohort
    again = (output, records[::-1], dict(reversed(histograms.items())))
    assert written(cohort) == written(again)


def test_an_output_without_any_series_and_a_run_that_says_nothing_still_have_a_page(tmp_path: Path) -> None:
    text = written((OutputFolder(tmp_path), [], {}), summary={})
    assert "No series was seen." in text
    assert "0 of 0 CT series ready" in text


def test_headings_go_down_one_level_at_a_time(cohort: Any) -> None:
    levels = [int(tag[1]) for tag, _ in Page(written(cohort)).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_colour_of_text_is_readable_on_every_ground(scheme: int) -> None:
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]))
    for ground in ("paper", "panel"):
        for ink in ("ink", "quiet", "accent", "ok", "rejected", "failed", "excluded"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}"


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, 1.4.3."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
