from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from clapometer.audio.workers import completed

INTERRUPTED = """
import random, signal, threading
from clapometer.audio.workers import completed

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, stop)
chance = random.Random(0)
stopped = 0
for _ in range(300):
    try:
        for item, _ in completed(lambda item: item, range(10**6), 2):
            if item == 0:  # threads have begun, in which Python itself is not safe from interrupts
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-4, 4e-3))
    except KeyboardInterrupt:
        stopped += 1
assert stopped == 300
"""


def test_every_item_has_its_result_and_no_more_than_twice_the_threads_are_under_way() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    found = {}
    for item, result in completed(lambda number: number**2, items(), 3):
        found[item] = result
        assert len(taken) - len(found) < 6
    assert found == {number: number**2 for number in range(50)}


def test_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert sorted(completed(lambda _: both.wait(timeout=10), range(2), 2))


def test_an_error_of_one_item_comes_to_the_caller_and_threads_end() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(completed(lambda number: 1 / number, [2, 1, 0, 3], 2))
    assert threading.active_count() == before


def test_who_stops_listening_stops_the_threads() -> None:
    before, done = threading.active_count(), []

    def work(number: int) -> int:
        time.sleep(0.001)
        done.append(number)
        return number

    for _ in completed(work, range(10**6), 2):
        break
    del _
    assert len(done) < 20
    assert threading.active_count() == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_an_interrupt_at_any_moment_of_the_work_neither_hangs_nor_breaks() -> None:
    assert subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=100).returncode == 0
