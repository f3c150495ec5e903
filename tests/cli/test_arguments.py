from argparse import ArgumentParser
from pathlib import Path

from pipeline.cli.arguments import add_config, add_output, add_talk, config_of


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("input: {roots: [a]}\noutput: {folder: b}\n")
    parser = ArgumentParser()
    add_config(parser)
    add_talk(parser)
    words = [
        str(config),
        "--input",
        "c",
        "--input",
        "d",
        "--output",
        "e",
        "--set",
        "store.level=4",
        "--cluster",
        "serial",
    ]
    read = config_of(parser.parse_args([*words, "--quiet"]))
    assert read.input.roots == ("c", "d")
    assert read.output.folder == "e"
    assert read.store.level == 4
    assert read.cluster.kind == "serial"


def test_an_output_is_a_path() -> None:
    parser = ArgumentParser()
    add_output(parser)
    assert parser.parse_args(["out"]).output == Path("out")
