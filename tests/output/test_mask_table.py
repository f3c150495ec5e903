from pathlib import Path

from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import publish_masks
from pipeline.output.tables import read_table


def test_a_path_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    output.prepare()
    row = {"mask": "gtv", "path": "/in/IM\udce901.dcm", "reason": "not_linked"}
    publish_masks(output, [], [row])
    assert [found["path"] for found in read_table(output.masks)] == [row["path"]]
