from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cluster.options import ClusterOptions
from pipeline.cohort.options import LabelOptions, ManifestOptions
from pipeline.config.load import load
from pipeline.config.model import Config, OutputOptions, config_hash, dump
from pipeline.dicom.policy import HounsfieldOptions
from pipeline.dicom.select.options import SelectOptions
from pipeline.limits import Limits
from pipeline.sources.folders import InputOptions
from pipeline.steps.clip import Clip
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.steps.window import Channel, Window
from pipeline.store.layout import StoreOptions

PLAIN = Config(InputOptions(("in",)), OutputOptions("out"))

FULL = Config(
    InputOptions(("/secret/in", "more"), settle_seconds=1.5),
    OutputOptions("/secret/out"),
    select=SelectOptions(
        prefer=("thinnest", {"PatientID": ["secret"]}, {"ConvolutionKernel": ["B30f", 70]}),
        where={"PatientID": "secret*", "KVP": {"min": 100}},
    ),
    steps=(
        Orient("LPS"),
        Resample(shape=(None, 319, 319), method="cubic"),
        Window(channels=(Channel("brain"), Channel(centre_hu=400, width_hu=1800))),
    ),
    manifest=ManifestOptions(labels=LabelOptions("/secret/labels.csv"), patient_map="/secret/map.csv"),
    cluster=ClusterOptions(
        "address",
        address="tls://secret:8786",
        tls={name: f"/secret/{name}.pem" for name in ("ca", "cert", "key")},
        options={"a": "secret"},
    ),
    on_finish="mail secret@example.org",
)


def reread(config: Config, folder: Path) -> Config:
    path = folder / "config.yaml"
    path.write_text(dump(config, paths=True), "utf-8")
    return load(path)


@pytest.mark.parametrize("config", [PLAIN, FULL])
def test_what_is_dumped_with_paths_is_the_same_configuration_again(config: Config, tmp_path: Path) -> None:
    assert reread(config, tmp_path) == config


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.sampled_from(["yes", "1e3", "00123", "", "~"])
)
def test_any_text_survives_being_dumped(tmp_path: Path, text: str) -> None:
    config = replace(PLAIN, select=SelectOptions(where={"StudyDescription": text}), on_finish=text)
    assert reread(config, tmp_path) == config


def test_without_paths_nothing_names_a_path_a_host_or_a_person() -> None:
    text = dump(FULL, paths=False)
    assert "secret" not in text
    assert "KVP" in text
    assert "B30f" in text


def test_without_paths_it_can_be_used_for_other_folders(tmp_path: Path) -> None:
    config = replace(FULL, cluster=ClusterOptions())
    path = tmp_path / "config.yaml"
    path.write_text(dump(config, paths=False), "utf-8")
    again = load(path, inputs=["in"], output="out")
    assert again.steps == config.steps
    assert config_hash(again) == config_hash(config)


def test_every_default_is_spelled_out() -> None:
    data = yaml.safe_load(dump(PLAIN, paths=True))
    assert data["store"]["chunks"] == "auto"
    assert data["limits"]["max_nesting"] == 60
    assert data["on_finish"] is None


def test_the_hash_is_twenty_hexadecimal_digits_and_stays_what_it_was() -> None:
    assert len(config_hash(PLAIN)) == 20
    assert int(config_hash(PLAIN), 16) >= 0
    assert config_hash(PLAIN) == config_hash(replace(PLAIN))


def test_the_hash_does_not_see_how_a_number_is_written() -> None:
    whole, real = (replace(PLAIN, hounsfield=HounsfieldOptions(padding_hu=number)) for number in (-1024, -1024.0))
    assert config_hash(whole) == config_hash(real)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAIN, hounsfield=HounsfieldOptions(padding_hu=-2000)),
        replace(PLAIN, steps=(Orient("LPS"),)),
        replace(PLAIN, steps=(Clip(low_hu=0, high_hu=80),)),
        replace(PLAIN, store=StoreOptions(level=3)),
    ],
)
def test_what_can_change_a_voxel_changes_the_hash(changed: Config) -> None:
    assert config_hash(changed) != config_hash(PLAIN)


def test_the_order_of_steps_changes_the_hash() -> None:
    steps = (Orient("LPS"), Clip(low_hu=0, high_hu=80))
    assert config_hash(replace(PLAIN, steps=steps)) != config_hash(replace(PLAIN, steps=steps[::-1]))


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAIN, input=InputOptions(("elsewhere",))),
        replace(PLAIN, select=SelectOptions(min_slices=10)),
        replace(PLAIN, cluster=ClusterOptions(workers=7)),
        replace(PLAIN, limits=Limits(retries=0)),
        replace(PLAIN, on_finish="true"),
    ],
)
def test_what_cannot_change_a_voxel_does_not_change_the_hash(changed: Config) -> None:
    assert config_hash(changed) == config_hash(PLAIN)
