import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from cohorts import GAP_KEY, HOSTILE, HOSTILE_KEY, MR_KEY, OK_KEY, SUMMARY, Cohort, small_cohort

from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report.options import ReportOptions
from pipeline.report.page import PER_PAGE
from pipeline.report.render import SITE
from pipeline.vocabulary import MaskReason, Reason, SeriesWarning, Status

VOID = {"circle", "img", "input", "link", "meta", "path"}
PLAIN = ReportOptions(pictures=False)

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
        if tag not in VOID or tag == "circle":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def every(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Of several tests that only read it."""
    cohort = small_cohort(OutputFolder(tmp_path_factory.mktemp("cohort")))
    cohort.report()
    return cohort


@pytest.fixture
def own(tmp_path: Path) -> Cohort:
    """To be changed."""
    return small_cohort(OutputFolder(tmp_path))


def pages(cohort: Cohort) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in cohort.output.report.rglob("*.html")}


def text_of(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_there_is_a_page_for_everything(cohort: Cohort) -> None:
    names = {path.relative_to(cohort.output.report).as_posix() for path in pages(cohort)}
    top = {"index.html", "figures.html", "elements.html", "series-1.html", "table.html"}
    assert names == top | {f"series/{key}/index.html" for key in (OK_KEY, HOSTILE_KEY, GAP_KEY, MR_KEY)}


def test_every_tag_closes_and_every_name_is_there_once(cohort: Cohort) -> None:
    for path, page in pages(cohort).items():
        ids = page.every("id")
        assert [name for name, n in Counter(ids).items() if n > 1] == [], path
        assert {name for names in page.every("aria-labelledby") for name in names.split()} <= set(ids), path


def test_every_link_and_picture_leads_to_a_file_of_the_report(cohort: Cohort) -> None:
    for path, page in pages(cohort).items():
        for address in page.every("href") + page.every("src"):
            if address.startswith("data:"):
                continue
            name, _, anchor = address.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_relative_to(cohort.output.report), address
            assert target.is_file(), address
            assert not anchor or f'id="{anchor}"' in target.read_text(), address


def test_no_page_may_ask_for_anything_outside(cohort: Cohort) -> None:
    for path, page in pages(cohort).items():
        policy = next(value for value in page.every("content") if "default-src" in value)
        assert policy.startswith("default-src 'none'; "), path
        sources = {source for part in policy.split("; ")[1:] for source in part.split()[1:]}
        assert sources <= {"'self'", "file:", "data:", "'unsafe-inline'", "'none'"}
        assert "script-src 'self' file:;" in policy
        assert not re.search(r"url\(|@import|<iframe|<object|<script>", path.read_text()), path
    for name in ("report.css", "viewer.js"):
        assert not re.search(r"https?:|url\(|@import|fetch|eval", (cohort.output.report / name).read_text())


def test_what_comes_from_data_stays_text(cohort: Cohort) -> None:
    for path, page in pages(cohort).items():
        assert not any("onerror" in attributes for _, attributes in page.tags), path
    told = text_of(Page(cohort.series_page(HOSTILE_KEY)))
    assert f"{HOSTILE} {{{{ 7 * 7 }}}}" in told
    assert "<script> / 3" in told
    assert "1 of 9 <intervals>" in text_of(Page(cohort.page("index.html")))


def test_nothing_about_a_person_is_in_any_file(cohort: Cohort) -> None:
    for path in cohort.output.report.rglob("*"):
        assert path.is_dir() or b"Somebody" not in path.read_bytes(), path


def test_the_overview_says_what_was_refused_found_and_is_worth_a_look(cohort: Cohort) -> None:
    told = text_of(Page(cohort.page("index.html")))
    assert "2 of 3 CT series ready" in told
    for words in (Reason.SLICE_GAP.meaning, Reason.NOT_CT.advice, SeriesWarning.W_PADDING.meaning, "metal: 3.00%"):
        assert words in told
    assert told.index("Quality findings") < told.index("Refused, and what to do")


def test_elements_stand_in_their_module_with_their_missing_share(cohort: Cohort) -> None:
    told = text_of(Page(cohort.page("elements.html")))
    assert "General Equipment" in told
    assert "33.3 %" in told


def test_a_cohort_without_a_census_says_how_to_make_one(own: Cohort) -> None:
    own.output.tags.unlink()
    (own.output.root / "findings.json").unlink()
    assert "Quality findings" not in own.report(PLAIN)
    assert "ctprep scan" in own.page("elements.html")
    assert not (own.output.report / "data/elements.csv").exists()


def test_every_figure_has_its_table_as_csv(cohort: Cohort) -> None:
    names = re.findall(r'<figure class="chart" id="([\w-]+)"', cohort.page("figures.html"))
    assert len(names) >= 12
    for name in names:
        lines = (cohort.output.report / f"data/{name}.csv").read_text().splitlines()
        assert len(lines) > 1, name


def test_what_changed_since_the_run_before_is_reported(own: Cohort) -> None:
    news = {"gone": 0, "new_series": 3, "new_patients": 1, "new_scanners": [HOSTILE]}
    empty = dict.fromkeys(("new_kernels", "drifted", "refused"), ())
    changes = {"since": "2026-05-03T02:03:00Z", "figures": {"ok": ["41", "2"]}} | news | empty
    told = text_of(Page(own.report(PLAIN, SUMMARY | {"changes": changes})))
    assert re.search(r"ok\s+41\s+2", told)
    assert "3 new series, 1 new patient." in told
    assert f"Scanner never seen before: {HOSTILE}." in told


def test_the_reasons_of_masks_are_counted(own: Cohort) -> None:
    labels = {"label_mask_gtv": 0, "label_reason_gtv": "off_grid"}
    own.records = [replace(record, labels=labels) for record in own.records]
    own.report(PLAIN)
    told = text_of(Page(own.page("index.html")))
    assert re.search(rf"gtv\s+off_grid\s+{len(own.records)}\s+{MaskReason.OFF_GRID.meaning}", told)


def test_a_page_that_did_not_change_is_not_made_again(own: Cohort) -> None:
    own.report()
    marked = [own.output.report / f"series/{key}/index.html" for key in (OK_KEY, HOSTILE_KEY)]
    for path in marked:
        path.write_text("kept")
    own.records[1] = replace(own.records[1], qc_why="another")
    own.report()
    assert [path.read_text() == "kept" for path in marked] == [True, False]
    own.report(PLAIN)
    assert marked[0].read_text() != "kept"


def test_pages_of_series_that_are_gone_are_removed(own: Cohort) -> None:
    own.report(PLAIN)
    own.records = own.records[:2]
    own.report(PLAIN)
    assert {path.name for path in (own.output.report / "series").iterdir()} == {OK_KEY, HOSTILE_KEY}


def test_the_same_input_gives_the_same_bytes_in_any_order(own: Cohort, tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(own.output.report.rglob("*")) if path.is_file()}

    own.report()
    first = files()
    own.output.report.rename(tmp_path / "before")
    own.records.reverse()
    own.report()
    assert files() == first


def test_many_series_are_paged(own: Cohort) -> None:
    many = [SeriesRecord(series_key=f"{i:020x}", status=Status.REJECTED, reason=Reason.CORRUPT) for i in range(130)]
    own.records, own.histograms = many, {}
    text = own.report(PLAIN)
    assert "and 100 more" in text_of(Page(text))
    assert own.page("series-1.html").count('<li class="entry">') == PER_PAGE
    assert 'rel="next"' not in own.page("series-3.html")
    own.records = many[:3]
    own.report(PLAIN)
    assert not (own.output.report / "series-2.html").exists()


def test_an_output_without_any_series_and_a_run_that_says_nothing_still_have_a_report(tmp_path: Path) -> None:
    text = Cohort(OutputFolder(tmp_path), [], {}).report(summary={})
    assert "No series was seen." in text
    assert "0 of 0 CT series ready" in text


def test_headings_go_down_one_level_at_a_time(cohort: Cohort) -> None:
    for path, page in pages(cohort).items():
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in pairwise(levels)), path


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_colour_of_text_is_readable_on_every_ground(scheme: int) -> None:
    css = (SITE / "report.css").read_text(encoding="utf-8")
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
