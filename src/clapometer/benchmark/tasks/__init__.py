"""Published tasks, one file a data set: where its files and labels are, its folds, its metric, its prompts, and what
others have measured on it. Nothing here hears a sound; `clapometer.benchmark` does.
"""

from clapometer.benchmark.tasks.registry import TASKS, find_task
from clapometer.benchmark.tasks.task import Clip, Layout, Published, Task, Template

__all__ = ["TASKS", "Clip", "Layout", "Published", "Task", "Template", "find_task"]
