"""The figures of `results` as a section of a Markdown file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clapometer.evaluation.result import ALL, CEILING, CONSTANT, GENERATOR, WITHIN
from clapometer.stats.agreement import METRICS
from panel.content import KINDS
from panel.methods import BASE

HEADING = "## Fine-tuning on ratings, in miniature: a simulation (`make panel`)"
ABOUT = """**Made-up listeners, real sounds** (`bench/panel/README.md` says how): the figures say whether the method
works, not how well a model agrees with people. Test split: none of its clips, captions and listeners is in the
training. 95 % intervals from resampled pairs; MSE on 0 to 1."""
PAPER = """The last columns are what Human-CLAP reported with real listeners: RELATE, and LAION CLAP as the base. What
fine-tuning changed, in paired resamples"""
Json = dict[str, Any]


def put(section: str, path: Path) -> None:
    """Put a section in place of the one with the same heading, or at the end."""
    text = path.read_text(encoding="utf-8")
    heading = section.splitlines()[0]
    old = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if old is None:
        text = f"{text.rstrip()}\n\n{section.strip()}\n"
    else:
        behind = text[old.end() :]
        text = text[: old.start()] + section.strip() + "\n" + (f"\n{behind}" if behind else "")
    path.write_text(text, encoding="utf-8")


def section(found: Json) -> str:
    """The whole section."""
    minutes = sorted({round(seconds / 60) for seconds in found["seconds"].values()})
    taken = f"a fine-tuning took {' to '.join(map(str, minutes[:: max(1, len(minutes) - 1)]))} minutes"
    paragraphs = [HEADING, f"{ABOUT} Settings: `{found['settings']}`; {taken}.", _agreement(found)]
    before = f"zero-shot accuracy on fold 5 of ESC-50 was {found['esc50_fold5'][BASE]:.3f} before"
    paragraphs += [f"{PAPER}; {before}:", _gains(found)]
    paragraphs += ["By kind of mismatch: SRCC within the kind, and MSE.", _kinds(found), *_seeds(found), *_curve(found)]
    paragraphs += ["The panel beside RELATE, by `clapometer ratings` (95 % intervals):", _likeness(found)]
    return "\n\n".join(paragraphs)


def _agreement(found: Json) -> str:
    rows = []
    for name in [BASE, *found["gain"], GENERATOR, CONSTANT, CEILING]:
        cells = [name, *(_shown(found, name, ALL, metric) for metric in METRICS)]
        mapped = found["calibrated_mse"].get(name)
        cells.append(f"{mapped[0]:.3f}" if mapped else "")
        groups = ((WITHIN, ""), ("origin", "natural"), ("origin", "synthesized"))
        cells += [_value(found, name, breakdown, group, "srcc") for breakdown, group in groups]
        theirs = found["paper"].get("base" if name == BASE else re.sub(r"[\d.]+\*", "", name))
        rows.append([*cells, *(f"{theirs[metric]:.3f}" if theirs else "" for metric in ("srcc", "mse"))])
    head = ["", *(metric.upper() for metric in METRICS), "MSE, calibrated", "SRCC within systems", "natural"]
    return _table([*head, "synthesized", "paper: SRCC", "MSE"], rows)


def _gains(found: Json) -> str:
    head = ["less base", *(metric.upper() for metric in METRICS), "SRCC within systems", "ESC-50", "change"]
    before = found["esc50_fold5"][BASE]
    rows = []
    for name, gain in found["gain"].items():
        after = found["esc50_fold5"][name]
        within = _signed(gain[WITHIN]["srcc"]) if WITHIN in gain else "-"  # of systems of 20 pairs or more
        cells = [name, *(_signed(gain[ALL][metric]) for metric in METRICS), within]
        rows.append([*cells, f"{after:.3f}", f"{after - before:+.3f}"])
    return _table(head, rows)


def _kinds(found: Json) -> str:
    names = [BASE, *(name for name in found["gain"] if "," not in name)]
    counts = {row["group"]: row["n"] for row in found["agreement"] if row["breakdown"] == "kind"}
    rows = []
    for kind in (kind for kind in KINDS if kind in counts):
        srcc, mse = ([_value(found, name, "kind", kind, metric) for name in names] for metric in ("srcc", "mse"))
        rows.append([kind, str(counts[kind]), *(f"{one}, {other}" for one, other in zip(srcc, mse, strict=True))])
    return _table(["", "pairs", *names], rows)


def _seeds(found: Json) -> list[str]:
    if not found["seeds"]:
        return []
    rows = [
        [loss, str(runs["runs"]), *(f"{runs[metric]['mean']:.3f} ± {runs[metric]['sd']:.3f}" for metric in METRICS)]
        for loss, runs in found["seeds"].items()
    ]
    return ["Several seeds: mean and standard deviation.", _table(["", "runs", *map(str.upper, METRICS)], rows)]


def _curve(found: Json) -> list[str]:
    if not found["curve"]:
        return []
    rows = [[str(point["pairs"]), _signed(point["srcc"]), _signed(point["mse"])] for point in found["curve"]]
    return ["Gain by number of rated pairs:", _table(["pairs", "SRCC", "MSE, calibrated"], rows)]


def _likeness(found: Json) -> str:
    parts = found["likeness"]
    names = list(next(iter(parts.values())))
    return _table(["", *parts], [[name, *(_either(parts[part][name]) for part in parts)] for name in names])


def _either(value: Any) -> str:
    if isinstance(value, list):
        return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _entry(found: Json, name: str, breakdown: str, group: str) -> Json | None:
    wanted = (name, breakdown, group)
    return next(
        (row for row in found["agreement"] if (row["predictor"], row["breakdown"], row["group"]) == wanted), None
    )


def _shown(found: Json, name: str, breakdown: str, metric: str) -> str:
    row = _entry(found, name, breakdown, "")
    if row is None or row[metric][0] is None:
        return ""
    value, low, high = row[metric]
    return f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def _value(found: Json, name: str, breakdown: str, group: str, metric: str) -> str:
    row = _entry(found, name, breakdown, group)
    return "" if row is None or row[metric][0] is None else f"{row[metric][0]:.3f}"


def _signed(ends: list[float | None]) -> str:
    return "" if None in ends else "{:+.3f} ({:+.3f} to {:+.3f})".format(*ends)


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
