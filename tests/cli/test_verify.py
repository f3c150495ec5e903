from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out, store_of

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_verify_ends_with_0_or_names_the_damage_and_ends_with_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in")
    outcome = carry_out(tmp_path, tmp_path / "in")
    assert main(["verify", str(tmp_path / "out")]) == 0
    chunk = max(
        (path for path in store_of(outcome.output, outcome.records[0]).rglob("*") if path.is_file()), key=len_of
    )
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    assert main(["verify", str(tmp_path / "out")]) == 8
    assert outcome.records[0].series_key in capsys.readouterr().out


def len_of(path: Path) -> int:
    return path.stat().st_size
