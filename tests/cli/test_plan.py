from pathlib import Path

import pytest
from phantoms import write_series

from pipeline.cli import main


def test_a_plan_tells_state_shape_and_on_request_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in")
    config = tmp_path / "config.yaml"
    config.write_text("steps: [{resample: {spacing_mm: [1, 1, 1]}}]\n")
    words = ["plan", str(config), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert "new: never seen before; 30 x 26 x 23 int16" in plain
    assert main([*words, "--explain"]) == 0
    assert "resample: 30 x 26 x 23 at 1 x 1 x 1 mm" in capsys.readouterr().out
    *_, counts, room, keys = plain.splitlines()
    assert counts == "1 new, 0 changed, 0 stale, 0 done, 0 gone"
    assert room.startswith("new stores take 0 MB before compression; ")
    assert keys == "series have no key yet: the first run makes the key that their names follow from"
    assert plain.splitlines()[0].startswith("series 1 new: ")
    assert main([*words, "--deep"]) == 0
    assert "\n1 new, 0 changed" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
