import subprocess
import sys

from pipeline.spared import SPARED

FOUND = "print([name for name in {} if name in sys.modules])"


def _told(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_spared_is_not_imported_by_what_would_like_to_have_it() -> None:
    program = "import sys; from pipeline.spared import spare; spare(); import pydicom.pixels, pyarrow.parquet; "
    assert _told(program + FOUND.format(sorted(SPARED))) == "[]"


def test_what_is_not_spared_is_found() -> None:
    assert _told("from pipeline.spared import spare; spare(); import numpy; print(numpy.zeros(1).size)") == "1"
