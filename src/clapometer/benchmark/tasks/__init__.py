"""Published data sets as tasks: facts in `tasks.toml`, readers of their folders. No sound is opened here."""

from clapometer.benchmark.tasks.registry import TASKS, find_task, load_tasks
from clapometer.benchmark.tasks.task import Clip, Layout, PublishedResult, Task, Template

__all__ = ["TASKS", "Clip", "Layout", "PublishedResult", "Task", "Template", "find_task", "load_tasks"]
