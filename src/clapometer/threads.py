"""Work in threads with a bounded look-ahead."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 16


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(device: str) -> int:
    """Threads that fill the processors; on a CPU as many as leave each its share of torch's own threads.

    Args:
        device: torch's name of the type of device that the model is on.
    """
    cores = processors()
    if device == "cpu":
        import torch

        cores //= torch.get_num_threads()
    return max(1, min(MOST_WORKERS, cores))


def completed(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Results of a function in threads, as they come; twice as many items as threads are under way, no more."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clapometer")
    running: dict[Future[Result], Item] = {}
    try:
        for item in items:
            running[pool.submit(function, item)] = item
            if len(running) >= 2 * workers:
                yield from _first(running)
        while running:
            yield from _first(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _first(running: dict[Future[Result], Item]) -> Iterator[tuple[Item, Result]]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(future), future.result()
