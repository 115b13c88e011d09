"""Tasks of a user's own: a table beside the sounds."""

from __future__ import annotations

from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Task
from clapometer.tables.splits import canonical_split

GROUP = "group"
CLASSES = """
any folder/
  labelled.csv    audio,label; perhaps fold, or split (train, validation, test); perhaps group (speaker, recording)
  dog.wav         (where the column audio says, relative to the folder)
"""
CAPTIONS = """
any folder/
  captions.csv    audio,text; several rows a sound are its several captions; perhaps group (recording)
  dog.wav         (where the column audio says, relative to the folder)
"""


def _labelled(folder: Folder) -> list[Clip]:
    header = folder.lines("labelled.csv", delimiter=",")[0]
    extra = [name for name in ("fold", "split", GROUP) if name in header]
    clips: dict[str, Clip] = {}
    for row in folder.rows("labelled.csv", ["audio", "label", *extra]):
        audio, fold, split = row["audio"], row.get("fold", ""), canonical_split(row.get("split", ""))
        if split and split not in (TRAIN, VALIDATION, TEST):
            raise folder.wrong(f"labelled.csv puts {audio} into {row['split']!r}, not train, validation or test")
        # Neither folds nor parts: everything is tested.
        clip = Clip(audio, (row["label"],), fold=fold, split=split or ("" if fold else TEST), group=row.get(GROUP, ""))
        before = clips.setdefault(audio, clip)
        if before.labels != clip.labels:
            raise folder.wrong(f"labelled.csv calls {audio} by two names; one class a sound")
        if (before.fold, before.split) != (clip.fold, clip.split):
            both = " and ".join(f"fold {one.fold}" if one.fold else one.split for one in (before, clip))
            raise folder.wrong(f"labelled.csv has {audio} in two parts, {both}; keep one of these rows")
    return list(clips.values())


def _classes(folder: Folder) -> tuple[str, ...]:
    return tuple(sorted({row["label"] for row in folder.rows("labelled.csv", ["label"])}))


def _captions(folder: Folder) -> list[Clip]:
    extra = [GROUP] if GROUP in folder.lines("captions.csv", delimiter=",")[0] else []
    texts: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    for row in folder.rows("captions.csv", ["audio", "text", *extra]):
        texts.setdefault(row["audio"], []).append(row["text"])
        groups.setdefault(row["audio"], row.get(GROUP, ""))
    return [Clip(audio, tuple(some), split=TEST, group=groups[audio]) for audio, some in texts.items()]


OWN_CLASSES = Task(
    name="own-classes",
    title="Sounds with labels of your own",
    domain="your own",
    metric="accuracy",
    labels=(),
    listed=_classes,
    templates=SOUNDS,
    counts={},
    protocol="folds or parts as the table has them; without, every sound is tested",
    layouts=(Layout("a table beside the sounds", CLASSES, ("labelled.csv",), _labelled),),
    folders=(),
    where="your own recordings",
    licence="yours",
    own=True,
)
OWN_CAPTIONS = Task(
    name="own-captions",
    title="Sounds with captions of your own",
    domain="your own",
    metric="retrieval",
    labels=(),
    templates=(),
    counts={},
    protocol="all sounds of the table, among each other",
    layouts=(Layout("a table beside the sounds", CAPTIONS, ("captions.csv",), _captions),),
    folders=(),
    where="your own recordings",
    licence="yours",
    own=True,
)
