import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, chromium
from cohorts import GAP_KEY, OK_KEY, Cohort, small_cohort

from pipeline.output.layout import OutputFolder

PAGES = (
    "index.html",
    "figures.html",
    "elements.html",
    "series-1.html",
    "table.html",
    *(f"series/{k}/index.html" for k in (OK_KEY, GAP_KEY)),
)
FOCUSED = "document.activeElement.type ?? document.activeElement.tagName"
SHOWN = "document.querySelector('.view img').style.transform + document.querySelector('.view output').textContent"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    cohort = small_cohort(OutputFolder(tmp_path_factory.mktemp("cohort").resolve()))
    cohort.report()
    return cohort


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with chromium(tmp_path / "profile") as browser:
        yield browser


def test_no_page_complains_or_asks_for_anything_outside_its_folder(cohort: Cohort, browser: Browser) -> None:
    folder = cohort.output.report.as_uri()
    for name in PAGES:
        browser.open(cohort.output.report / name)
        assert browser.tell("document.styleSheets.length") == 1
    assert browser.errors == []
    assert len(browser.requests) >= 2 * len(PAGES)
    assert all(address.startswith((folder, "data:")) for address in browser.requests)


def test_the_policy_stops_what_a_page_would_ask_for(cohort: Cohort, browser: Browser) -> None:
    browser.open(cohort.output.report / "index.html")
    asked = "new Promise(done => { const i = new Image(); i.onerror = () => done('stopped'); i.src = 'http://127.0.0.1:9/'})"
    assert browser.tell(asked) == "stopped"
    assert "Content Security Policy" in "".join(browser.errors)


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_no_page_is_wider_than_its_window(cohort: Cohort, browser: Browser, width: int) -> None:
    for name in PAGES:
        browser.resize(width, dark=width == 800)
        browser.open(cohort.output.report / name)
        assert browser.tell("document.documentElement.scrollWidth") <= width, name


def test_series_can_be_searched_filtered_and_sorted(cohort: Cohort, browser: Browser) -> None:
    browser.open(cohort.output.report / "table.html")
    rows = "[...document.querySelectorAll('table.all tbody tr')].filter(row => !row.hidden)"
    shown = f"{rows}.map(row => row.cells[0].innerText).join()"
    every = browser.tell(shown).split(",")
    enter = "(() => { const f = document.querySelector('.filters'); f.words.value = '%s'; f.status.value = '%s';"
    enter += " f.dispatchEvent(new Event('input')); })()"
    browser.tell(enter % (OK_KEY[:12], ""))
    assert browser.tell(shown) == OK_KEY
    browser.tell(enter % ("", "rejected"))
    assert browser.tell(shown) == GAP_KEY
    browser.tell(enter % ("", ""))
    head = "document.querySelectorAll('table.all thead button')[0].click()"
    browser.tell(head)
    assert browser.tell(shown).split(",") == sorted(every)
    browser.tell(head)
    assert browser.tell(shown).split(",") == sorted(every, reverse=True)


def test_the_viewer_can_be_used_with_the_keyboard_alone(cohort: Cohort, browser: Browser) -> None:
    browser.open(cohort.output.report / f"series/{OK_KEY}/index.html")
    tab_to(browser, "radio")
    before = browser.tell("document.querySelector('.view img').src")
    browser.press("ArrowRight")
    assert browser.tell("document.querySelector('.view img').src") != before
    tab_to(browser, "range")
    middle = browser.tell(SHOWN)
    browser.press("ArrowRight")
    assert browser.tell(SHOWN) != middle
    browser.press("Home")
    assert browser.tell(SHOWN).endswith("1 of 6, 10.0 mm")
    assert browser.tell("document.activeElement.getAttribute('aria-valuetext')") == "1 of 6, 10.0 mm"
    browser.press("End")
    assert browser.tell(SHOWN).endswith("6 of 6, 0.0 mm")
    assert browser.errors == []


def test_axe_finds_nothing_that_keeps_anyone_out(cohort: Cohort, browser: Browser) -> None:
    script = Path(os.environ.get("AXE_SCRIPT", ""))
    if not script.is_file():
        pytest.skip("needs AXE_SCRIPT, the path of axe-core's axe.min.js (npm install axe-core)")
    for name in PAGES:
        browser.open(cohort.output.report / name)
        browser.tell("document.querySelectorAll('details').forEach(details => { details.open = true })")
        browser.tell(f"{script.read_text()}; 0")
        found = browser.tell("axe.run(document, {preload: false}).then(told => told.violations.map(one => one.id))")
        assert found == [], name


def tab_to(browser: Browser, kind: str) -> None:
    """Press Tab until a control of a kind has the focus."""
    for _ in range(60):
        browser.press("Tab")
        if browser.tell(FOCUSED) == kind:
            return
    pytest.fail(f"no {kind} can be reached with Tab")
