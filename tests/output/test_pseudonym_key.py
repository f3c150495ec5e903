import re
import stat
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.output.layout import KEY_FILE_VARIABLE, load_pseudonym_key


def test_the_first_run_makes_a_key_and_the_next_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = load_pseudonym_key(path, {})
    assert re.fullmatch(r"[0-9a-f]{64}\n", path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_pseudonym_key(path, {}) == key
    assert load_pseudonym_key(tmp_path / "other", {}) != key


def test_a_named_key_file_is_used_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("0f" * 32)
    key = load_pseudonym_key(tmp_path / "key", {KEY_FILE_VARIABLE: str(tmp_path / "shared")})
    assert key.secret == b"\x0f" * 32
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("content", [b"", b"0f" * 31, b"xx" * 32, b"\xff" * 64])
def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="private/key"):
        load_pseudonym_key(path, {})
    assert path.read_bytes() == content


def test_a_named_key_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"CTPREP_KEY_FILE names .* No such file"):
        load_pseudonym_key(tmp_path / "key", {KEY_FILE_VARIABLE: str(tmp_path / "absent")})
