from dataclasses import replace
from pathlib import Path

import pytest
from card_outputs import HOSTILE, described

from pipeline.card import About
from pipeline.card.facts import Facts
from pipeline.card.markdown import FILL_IN, IDENTIFIERS, PSEUDONYMS, code, markdown, text
from pipeline.vocabulary import Reason

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_the_card_tells_counts_steps_reasons_and_scanners(tmp_path: Path) -> None:
    card = markdown(Facts.of(described(tmp_path)), About(name="Phantoms"))
    for line in (
        "# Phantoms",
        "2 CT volumes of 2 patients as OME-Zarr stores, and a manifest that accounts for 3 series.",
        "| 1 | rejected |",
        "| `clip` | 2 | Values are limited to a range of Hounsfield units. | `low_hu: -1000, high_hu: 400` |",
        f"| 1 | `SLICE_GAP` | {Reason.SLICE_GAP.meaning} |",
        "| 1 | `W_GANTRY_TILT` | The gantry was tilted. |",
        "| ACME | 1 | 1 |",
        "| slices | 12 | 12 | 12 |",
        "None was made.",
        PSEUDONYMS,
    ):
        assert line in card.splitlines(), line


def test_text_from_a_header_stays_text(tmp_path: Path) -> None:
    card = markdown(Facts.of(described(tmp_path)), About())
    row = next(line for line in card.splitlines() if "img" in line)
    assert "<img" not in row
    assert row == f"| {text(HOSTILE)} | 1 | 1 |"
    assert text("a|b\n<c> `d` & *e*") == r"a\|b &lt;c&gt; \`d\` &amp; \*e\*"
    assert code("orient") == "`orient`"


def test_what_is_to_be_filled_in_is_said_until_it_is(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path))
    assert markdown(facts, About()).count(FILL_IN) == 6
    told = About(licence="CC0-1.0", creator="x", contact="x", citation="x", url="x", published="x")
    assert FILL_IN not in markdown(facts, told)


def test_splits_are_counted_by_series_and_patients(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path))
    rows = tuple({**row, "split": "train" if row["store"] else None} for row in facts.rows)
    assert "| train | 2 | 2 |" in markdown(replace(facts, rows=rows), About())


def test_kept_identifiers_are_said(tmp_path: Path) -> None:
    card = markdown(Facts.of(described(tmp_path, "manifest: {identifiers: keep}\n")), About())
    assert IDENTIFIERS in card


def test_an_output_without_a_volume_has_a_card(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path, "geometry: {gantry_tilt: reject}\nselect: {min_slices: 50}\n"))
    assert facts.ready == ()
    card = markdown(facts, About())
    assert "0 CT volumes of 0 patients" in card
    assert "`TOO_FEW_SLICES`" in card
