from pipeline.report.options import ReportOptions


def test_a_report_with_pictures_is_written_unless_it_is_not_wanted() -> None:
    assert ReportOptions() == ReportOptions(enabled=True, pictures=True, animations="webp")
