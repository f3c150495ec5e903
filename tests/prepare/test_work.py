import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from jobs import job_of
from phantoms import write_series

from pipeline.prepare import series, work

HEAVY = ("numba", "scipy", "zarr")


def test_the_work_is_that_of_a_series(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    job = job_of(tmp_path / "in")
    result, expected = work.process(job), series.process(job)
    untimed = {"duration_s": None, "peak_memory_mb": None, "finished_at": None}
    assert replace(result.record, **untimed) == replace(expected.record, **untimed)
    assert result.slices == expected.slices


def test_importing_the_work_imports_no_heavy_library() -> None:
    program = f"import sys; import pipeline.prepare.work; print([name for name in {HEAVY} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_warm_worker_has_imported_zarr_and_loops_but_no_tables() -> None:
    program = (
        "import sys; from pipeline.prepare import work; work.warm()\n"
        "from pipeline.kernels.bands import blend_between_planes\n"
        "print('zarr' in sys.modules, len(blend_between_planes.signatures) > 0, 'pyarrow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "True True False"
