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
    assert plain.splitlines()[-1] == "1 new, 0 changed, 0 stale, 0 done, 0 gone"
    assert main([*words, "--deep"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 new")
    assert not (tmp_path / "out").exists()
