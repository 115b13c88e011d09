"""Models measured on published tasks: zero-shot, supervised on frozen vectors or trained through, and retrieval."""

from clapometer.benchmark.result import Result
from clapometer.benchmark.run import benchmark

__all__ = ["Result", "benchmark"]
