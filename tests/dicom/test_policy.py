from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions


def test_the_least_number_of_slices_is_that_of_the_selection() -> None:
    assert Policy().min_slices == SelectOptions().min_slices


def test_nothing_is_repaired_that_was_not_asked_for() -> None:
    policy = Policy()
    assert (policy.geometry.uneven_spacing, policy.geometry.gap, policy.geometry.missing_position) == ("reject",) * 3
    assert (policy.hounsfield.rescale_missing, policy.hounsfield.wrapped) == ("reject",) * 2
