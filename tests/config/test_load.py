import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.errors import ConfigError, UsageError
from pipeline.steps.clip import Clip
from pipeline.steps.resample import Resample

ROOT = Path(__file__).parents[2]
FOLDERS = "input: {roots: [in]}\noutput: {folder: out}\n"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = Path("run.yaml")
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_file_becomes_a_configuration(write: Write) -> None:
    config = load(write(FOLDERS + "steps:\n  - clip: {low_hu: -1000, high_hu: 400}\n"))
    assert config.input.roots == ("in",)
    assert config.steps == (Clip(low_hu=-1000, high_hu=400),)


def test_a_name_means_a_configuration_that_comes_with_the_program(write: Write) -> None:
    named = load(Path("lung"), inputs=["in"], output="out")
    assert named == load(ROOT / "configs" / "lung.yaml", inputs=["in"], output="out")
    model = load(Path("models/merlin"), inputs=["in"], output="out")
    assert model == load(ROOT / "configs" / "models" / "merlin.yaml", inputs=["in"], output="out")
    write(FOLDERS).rename("lung")
    assert load(Path("lung")).steps == ()


def test_a_name_of_no_configuration_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lnug: no such file, .*: default, dsb2017, .*; did you mean lung\?"):
        load(Path("lnug"), inputs=["in"], output="out")
    with pytest.raises(UsageError, match=r"models/merlim: no such file, .*; did you mean models/merlin\?"):
        load(Path("models/merlim"), inputs=["in"], output="out")
    with pytest.raises(UsageError, match=r"lung\.yaml: cannot be read"):
        load(tmp_path / "lung.yaml")


def test_a_byte_order_mark_is_no_part_of_the_text(write: Write) -> None:
    assert load(write("\ufeff" + FOLDERS)).output.folder == "out"


def test_the_command_line_wins_over_the_file(write: Write) -> None:
    path = write(FOLDERS + "steps:\n  - clip: {low_hu: -1000, high_hu: 400}\n")
    config = load(
        path,
        overrides=["store.level=3", "steps.0.clip.low_hu=-500", "input.roots=[a]", "manifest.split={train: 1}"],
        inputs=["b", Path("c")],
        output=Path("elsewhere"),
    )
    assert config.store.level == 3
    assert config.steps == (Clip(low_hu=-500, high_hu=400),)
    assert config.input.roots == ("b", "c")
    assert config.output.folder == "elsewhere"
    assert config.manifest.split is not None


def test_an_override_names_a_step_that_the_list_holds_once(write: Write) -> None:
    path = write(FOLDERS + "steps:\n  - orient: {to: LPS}\n  - clip: {low_hu: -1000, high_hu: 400}\n")
    assert load(path, overrides=["steps.clip.low_hu=-500"]).steps[1] == Clip(low_hu=-500, high_hu=400)
    twice = write(FOLDERS + "steps: [clip: {low_hu: -1, high_hu: 4}, clip: {low_hu: 0, high_hu: 2}]\n")
    message = r"--set steps.clip.low_hu: steps: found 2 steps called clip; allowed: steps.0.clip, steps.1.clip"
    with pytest.raises(UsageError, match=message):
        load(twice, overrides=["steps.clip.low_hu=-500"])
    with pytest.raises(UsageError, match="found 0 steps called window"):
        load(path, overrides=["steps.window.preset=lung"])


def test_one_number_stands_for_three_axes(write: Write) -> None:
    (step,) = load(write(FOLDERS + "steps: [resample: {spacing_mm: 1}]\n")).steps
    assert step == Resample(spacing_mm=(1, 1, 1))


def test_the_last_override_of_a_key_wins(write: Write) -> None:
    assert load(write(FOLDERS), overrides=["store.level=3", "store.level=5"]).store.level == 5


@pytest.mark.parametrize("word", ["serial", "local"])
def test_a_cluster_of_this_machine_is_a_kind(write: Write, word: str) -> None:
    config = load(write(FOLDERS + "cluster: {kind: address, address: 'tcp://x:1'}\n"), cluster=word)
    assert (config.cluster.kind, config.cluster.address) == (word, None)


def test_any_other_cluster_is_an_address(write: Write) -> None:
    config = load(write(FOLDERS), cluster="tcp://127.0.0.1:8786")
    assert (config.cluster.kind, config.cluster.address) == ("address", "tcp://127.0.0.1:8786")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("store.level", "--set store.level: allowed is KEY=VALUE"),
        ("store..level=3", "--set store..level: allowed is KEY=VALUE"),
        ("=3", "--set : allowed is KEY=VALUE"),
        ("a." * 1000 + "a=3", "--set a.a."),
        ("store.level=high", '--set store.level: store.level: found "high"; allowed: a whole number'),
        ("store.levle=3", "--set store.levle: store.levle: unknown key; allowed: dtype, "),
        ("stroe.level=3", "--set stroe.level: stroe: unknown key; allowed: input, "),
        ("steps.0.clip.low_hu=0", "--set steps.0.clip.low_hu: steps: found a list of 0, which holds nothing at 0"),
        ("steps=[{clip: {low_hu: 9, high_hu: 1}}]", "--set steps: steps.0.clip.low_hu: found 9; low_hu must be below"),
        (
            "steps=[{normalise: {to: zero_one}}]",
            "--set steps: steps.0.normalise: normalise by range needs known limits",
        ),
        ("store.level=[3", "--set store.level: not YAML: "),
        ("output.folder=in/out", "--set output.folder: output.folder: "),
    ],
)
def test_an_error_in_an_override_names_the_override(write: Write, override: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load(write(FOLDERS + "steps: []\n"), overrides=[override])
    assert str(error.value).startswith(message)


def test_an_error_in_another_option_names_that_option(write: Write) -> None:
    path = write(FOLDERS)
    for option in ({"output": "in/out"}, {"output": ""}, {"output": "\udcff"}):
        with pytest.raises(UsageError, match=r"^--output: "):
            load(path, **option)
    with pytest.raises(UsageError, match=r"^--input: "):
        load(path, inputs=[""])


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=message):
            load(path)


def test_a_file_that_is_no_configuration_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(UsageError, match="longer than 1048576 bytes"):
        load(path)


def test_what_is_not_utf_8_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "latin1.yaml"
    path.write_bytes(b"input: {roots: [in]}\noutput: {folder: B\xe4r}\n")
    with pytest.raises(ConfigError, match="UTF-8") as error:
        load(path)
    assert (error.value.line, error.value.column) == (2, 19)


@pytest.mark.parametrize(
    ("case", "place"),
    [
        ("cfg-clip-reversed", ":4:12: steps.0.clip.low_hu: found 400"),
        ("cfg-empty", ":1:1: the file is empty"),
        ("cfg-list", ":1:1: found a list at the top"),
        ("cfg-order-impossible", ":6:5: steps.2.clip: "),
        ("cfg-output-in-input", ":2:10: output.folder: "),
        ("cfg-python-name", ":1:8: input: found the tag "),
        ("cfg-spacing-zero", ":4:16: steps.0.resample.spacing_mm: found [0, 1, 1]"),
    ],
)
def test_spoilt_configurations_are_refused_at_their_place(bad_inputs: Path, case: str, place: str) -> None:
    path = bad_inputs / "_config" / f"{case}.yaml"
    with pytest.raises(ConfigError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}{place}")


def test_a_mistake_is_reported_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(FOLDERS + "steps: [resample: {spacing_mm: 1}]\nstore: {levle: 3}\n", "utf-8")
    heavy = ("dask", "distributed", "numba", "pyarrow", "pydicom", "rich", "scipy", "zarr")
    program = f"""
import sys
from pipeline.cli import main
code = main(["run", "bad.yaml"])
sys.exit(", ".join(name for name in {heavy} if name in sys.modules) or int(code))
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ended.stderr.startswith("ctprep: bad.yaml:4:9: store.levle: unknown key")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


def test_a_folder_that_nothing_can_reach_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("input:\n  roots: [in, 'https://host/in']\noutput: {folder: s3://box/out}\n")
    with pytest.raises(ConfigError, match=r"config.yaml:2:15: input.roots.1: https://host/in is no folder"):
        load(path)


def test_a_file_url_is_read_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("input: {roots: ['file:///data/in']}\noutput: {folder: s3://box/out}\n")
    config = load(path)
    assert (config.input.roots, config.output.folder) == (("/data/in",), "s3://box/out")
