import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from phantoms import write_series
from running import InThisProcess

from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.errors import DamageError
from pipeline.limits import Limits
from pipeline.privacy import PseudonymKey
from pipeline.scan.headers import Reading
from pipeline.scan.scan import scan
from pipeline.scan.series import Scan
from pipeline.scan.summary import SUMMARISE
from pipeline.sources.folders import InputOptions


class Counting(InThisProcess):
    """A dispatcher that counts the series that are judged."""

    n_judged = 0

    def run(self, task: Any, jobs: Any, n_jobs: int | None = None) -> Iterator[tuple[Any, Any]]:
        for job, result in super().run(task, jobs, n_jobs):
            self.n_judged += task == SUMMARISE
            yield job, result


def look(folder: Path, reading: Reading, policy: Policy | None = None, **select: Any) -> Scan:
    options = InputOptions((str(folder),))
    return scan(options, policy or Policy(), PseudonymKey(b"k" * 32), select=SelectOptions(**select), reading=reading)


def test_a_series_is_judged_again_where_a_file_of_it_or_a_rule_changed_and_else_not(tmp_path: Path) -> None:
    first, second = (write_series(tmp_path / name, patient_id=name, n=4).paths for name in "ab")
    counting = Counting()
    reading = Reading(counting)  # type: ignore[arg-type]
    changes = {
        "first look": (lambda: None, {}, 2),
        "nothing": (lambda: None, {}, 0),
        "a file touched": (lambda: os.utime(first[0], (1, 1)), {}, 1),
        "a file removed": (second[0].unlink, {}, 1),
        "a series added": (lambda: write_series(tmp_path / "c", patient_id="c", n=4), {}, 1),
        "a rule": (lambda: None, {"where": {"KVP": 1}}, 3),
        "a limit": (lambda: None, {"policy": Policy(Limits(max_slices=2)), "where": {"KVP": 1}}, 3),
    }
    for change, rules, n_judged in changes.values():
        change()
        counting.n_judged = 0
        found = look(tmp_path, reading, **rules)
        assert counting.n_judged == n_judged
        fresh = look(tmp_path, Reading(), **rules)
        assert found.series == fresh.series
        assert [one.record for one in found.series] == [one.record for one in fresh.series]
        assert found.count_elements() == fresh.count_elements()


def test_headers_that_are_called_those_of_another_series_are_damage(tmp_path: Path) -> None:
    write_series(tmp_path / "in", n=4)
    reading = Reading()
    look(tmp_path / "in", reading)
    reading.table.database.execute("UPDATE part SET series = replace(series, '.', '.1')")
    with pytest.raises(DamageError):
        look(tmp_path / "in", reading)
