"""The miniature study: from clips to a table of how well fine-tuning on ratings works.

    cd bench && python -m panel --data ../../shared/data [--curve] [--seeds]

What is done is not done again; remove the folder of the study to begin anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from panel.listeners import read_listeners
from panel.methods import BASE, curve, keep, measured, seeds, short, tuned
from panel.report import put, section
from panel.results import results
from panel.study import PROMPTS, pairs, render, write

HERE = Path(__file__).parent.parent
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with `sounds` and `ratings`")
    parser.add_argument("--study", type=Path, default=HERE.parent / "build" / "panel", help="where everything goes")
    parser.add_argument("--curve", action="store_true", help="with fewer rated pairs, too")
    parser.add_argument("--seeds", action="store_true", help="every loss, with three seeds")
    options = parser.parse_args()
    study, data = options.study.resolve(), options.data.resolve()
    if not (study / "ratings.csv").exists():
        study.mkdir(parents=True, exist_ok=True)
        made = pairs(PROMPTS, SEED)
        write(made, render(made, data, study, SEED), read_listeners(), study, SEED)
    methods = (seeds() if options.seeds else short()) + (curve() if options.curve else [])
    folders = {BASE: study / "runs" / "base"}
    measured(study, data, folders[BASE], BASE)
    for method in methods:
        folders[method.name] = tuned(study, method)
        measured(study, data, folders[method.name], str(folders[method.name] / "model"))
    found = results(study, data, folders, methods)
    keep(HERE / "results" / "panel.json", found)
    put(section(found), HERE / "RESULTS.md")
    print(section(found))


if __name__ == "__main__":
    main()
