from typing import Any

from pipeline.report.stack import differences, stack_figure


def row(
    position: float | None, number: int = 1, offset: tuple[float, float] = (0.0, 0.0), **more: Any
) -> dict[str, Any]:
    plain = {"rows": 512, "columns": 512, "transfer_syntax": "1.2.840.10008.1.2.1", "status": "used", "reason": None}
    return plain | {"position_mm": position, "instance_number": number, "offset_mm": offset} | more


def even(n: int = 10, step: float = 2.0) -> list[dict[str, Any]]:
    return [row(i * step, i + 1) for i in range(n)]


def test_an_even_stack_has_a_line_a_slice_and_neither_gap_nor_dot() -> None:
    figure = stack_figure(even())
    assert figure is not None
    assert figure.svg.count("M") == 10
    assert not {"gap", "alert"} & set(figure.svg.split('"'))
    assert figure.note == "10 slices over 18 mm; usual interval 2 mm."
    assert figure.rows == ((2.0, 9),)


def test_a_gap_is_shaded_and_counted() -> None:
    figure = stack_figure([*even(), row(30.0, 16)])
    assert figure is not None
    assert figure.svg.count('class="gap"') == 1
    assert "1 wide interval, shaded" in figure.note
    assert (12.0, 1) in figure.rows


def test_slices_at_one_position_are_dotted() -> None:
    figure = stack_figure([*even(), row(4.0, 3)])
    assert figure is not None
    assert figure.svg.count('class="alert"') == 1
    assert "1 at a position that has one already" in figure.note


def test_a_tilted_stack_is_drawn_slanted_and_true_to_scale() -> None:
    upright, tilted = stack_figure(even()), stack_figure([row(i * 2.0, i, (0.0, i * 1.0)) for i in range(10)])
    assert upright is not None
    assert tilted is not None
    assert "shifted by 9 mm" in tilted.note
    assert (
        float(tilted.svg.split('viewBox="0 0 420 ')[1].split('"')[0])
        == float(upright.svg.split('viewBox="0 0 420 ')[1].split('"')[0]) + 200
    )


def test_no_known_position_is_no_drawing_and_one_slice_is_a_line() -> None:
    assert stack_figure([row(None)]) is None
    figure = stack_figure([row(5.0)])
    assert figure is not None
    assert figure.note == "1 slices over 0 mm."


def test_slices_that_are_alike_do_not_differ() -> None:
    assert differences(even()) == []


def test_what_differs_is_reported_with_its_counts() -> None:
    slices = [*even(3), row(None, 9, rows=256, status="skipped", reason="LOCALIZER")]
    assert dict(differences(slices)) == {"rows": "512 (3), 256 (1)", "status": "used (3), skipped (1)"}


def test_many_values_are_cut_and_the_cut_is_said() -> None:
    assert dict(differences([row(None, columns=i) for i in range(9)]))["columns"].endswith("and 3 more")


def test_instance_numbers_against_the_position_are_reported() -> None:
    assert dict(differences([row(0.0, 2), row(1.0, 1)])) == {"instance_number": "falls as the position grows"}
    mixed = [row(0.0, 1), row(1.0, 3), row(2.0, 2)]
    assert dict(differences(mixed)) == {"instance_number": "does not follow the position"}
