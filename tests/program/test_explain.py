import volumes

from pipeline.program.explain import explain
from pipeline.program.program import Program
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.volume import VolumeSpec

SPEC = VolumeSpec(volumes.grid((12, 24, 20)))
DEFAULT = (Orient("LPS"), Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400), Normalise("zero_one"))


def test_steps_are_explained_before_the_changes_they_fold_into() -> None:
    lines = explain(Program.compile(DEFAULT, SPEC))
    assert [line.split(":")[0] for line in lines] == [
        "source",
        "orient",
        "resample",
        "clip",
        "normalise",
        "= orient + resample",
        "= clip + normalise",
        "= cast",
    ]
    assert "30 x 17 x 14 at 1 x 1 x 1 mm, HU" in lines[2]
    assert "2 x 3 x 3 taps" in lines[5]
    assert "y = clip(0.000714286 x +0.714286, 0, 1)" in lines[6]
    assert "int16" in lines[-1]


def test_a_barrier_is_explained() -> None:
    lines = explain(Program.compile([Clip(-1000, 400), Normalise("z_score")], SPEC))
    assert "the whole volume in memory" in lines[-2]
