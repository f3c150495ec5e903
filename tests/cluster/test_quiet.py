"""Signals that wait."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from pipeline.cluster.quiet import hold_interrupts

READ_MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"


@pytest.fixture
def terminated() -> Iterator[list[int]]:
    """Where SIGTERM is noted instead of ending the tests."""
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    yield noted
    signal.signal(signal.SIGTERM, before)


def test_ctrl_c_waits_for_the_end_of_the_block() -> None:
    reached = []

    def interrupted() -> None:
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["end"]


def test_termination_waits_for_the_end_of_the_block(terminated: list[int]) -> None:
    with hold_interrupts():
        signal.raise_signal(signal.SIGTERM)
        assert terminated == []
    assert terminated == [signal.SIGTERM]


def test_only_the_first_signal_acts(terminated: list[int]) -> None:
    with hold_interrupts():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert terminated == [signal.SIGTERM]


def test_an_error_in_the_block_goes_before_a_signal() -> None:
    def broken() -> None:
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        broken()


def test_handlers_and_mask_are_as_before() -> None:
    handler, mask = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with hold_interrupts():
        assert signal.getsignal(signal.SIGINT) != handler
    assert signal.getsignal(signal.SIGINT) == handler
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_process_that_is_started_inside_never_sees_ctrl_c() -> None:
    with hold_interrupts():
        inside = subprocess.run([sys.executable, "-c", READ_MASK], capture_output=True, text=True, check=True)
    assert inside.stdout == "True\n"


def test_another_thread_holds_nothing_and_goes_on() -> None:
    entered = []

    def enter() -> None:
        with hold_interrupts():
            entered.append(signal.getsignal(signal.SIGINT))

    handler = signal.getsignal(signal.SIGINT)
    thread = Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [handler]
