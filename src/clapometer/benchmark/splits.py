"""Which clips are for training, which for validation, and which are tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.tasks.task import TRAIN, VALIDATION
from clapometer.errors import BadOption

TENTH = 10
"""Where no validation part was published, every tenth clip of a class is one."""


@dataclass(frozen=True)
class Plan:
    """One turn of learning and testing; places in `Data.clips`, of which none is in two parts."""

    name: str
    """The fold or part that is tested."""
    train: list[int]
    validation: list[int]
    """By these, and never by the tested ones, settings are chosen."""
    tested: list[int]
    how: str
    """Where the validation part comes from, in words."""


def plans(data: Data) -> list[Plan]:
    """A turn for each tested fold, or one for a data set that is divided into parts.

    Of folds, the one behind the tested one (behind the last one the first) is the validation part; of two folds, every
    tenth clip of each class of the other one.

    Raises:
        BadOption: there is nothing to learn from.
    """
    if not data.folds:
        train = [place for place, clip in enumerate(data.clips) if clip.split == TRAIN]
        published = [place for place, clip in enumerate(data.clips) if clip.split == VALIDATION]
        if not train:
            raise BadOption(
                f"{data.folder.root}: holds no training clips of {data.task.title}; get them, or measure it zero-shot"
            )
        return [_plan(data, data.turn(data.tested[0]), train, published, data.tested, "published")]
    folds = data.all_folds
    if len(folds) < 2:
        raise BadOption(f"{data.task.title} has one fold there, so that there is nothing to learn from")
    found = []
    for tested in data.folds:
        behind = folds[(folds.index(tested) + 1) % len(folds)] if len(folds) > 2 else None
        rest = [place for place, clip in enumerate(data.clips) if clip.fold and clip.fold not in (tested, behind)]
        held = [place for place, clip in enumerate(data.clips) if behind is not None and clip.fold == behind]
        mine = [place for place in data.tested if data.clips[place].fold == tested]
        found.append(_plan(data, tested, rest, held, mine, f"fold {behind}"))
    return found


def apart(data: Data, plans: Sequence[Plan], heard: Heard) -> tuple[tuple[Plan, ...], dict[str, str]]:
    """Plans in which no tested clip is a copy, byte for byte, of a training or validation clip.

    Published data sets have duplicates that their users cannot correct, so the tested copies are left out. (In tables
    of a user's own, `read_task` has refused them.)

    Returns:
        The plans; and the tested clips that were left out, with the clip that each is a copy of.

    Raises:
        BadOption: all tested clips of a plan are copies.
    """
    content = dict(zip(heard.places, heard.digests, strict=True))
    found: list[Plan] = []
    copies: dict[str, str] = {}
    for plan in plans:
        known = {content[place]: place for place in (*plan.train, *plan.validation) if place in content}
        mine = {place: known[content[place]] for place in plan.tested if content.get(place) in known}
        copies |= {data.clips[place].audio: data.clips[other].audio for place, other in mine.items()}
        left = [place for place in plan.tested if place not in mine]
        if not left:
            raise BadOption(f"{data.folder.root}: every tested clip of {plan.name} is a copy of a training clip")
        found.append(replace(plan, tested=left))
    return tuple(found), copies


def _plan(data: Data, name: str, train: list[int], held: list[int], tested: Sequence[int], how: str) -> Plan:
    if held:
        return Plan(name, train, held, list(tested), how)
    seen: dict[tuple[str, ...], int] = defaultdict(int)
    kept: tuple[list[int], list[int]] = ([], [])
    for place in train:
        labels = data.clips[place].labels
        seen[labels] += 1
        kept[seen[labels] % TENTH == 0].append(place)
    if not kept[1]:  # few of each class
        kept = [place for at, place in enumerate(train) if at % 2 == 0], train[1::2]
    return Plan(name, *kept, list(tested), "every tenth clip of each class of the training part")
