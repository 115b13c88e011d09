"""Torture the product; prints a table of what was tried and what failed, and exits with 1 if anything did.

make torture            300 sounds, 100 tables, 30 kills
TORTURE=full make torture    1,500 sounds, 300 tables, 100 kills
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from torture.faults import torture_faults
from torture.harness import Tally
from torture.kills import torture_kills
from torture.sounds import torture_sounds
from torture.tables import torture_tables

PARTS = {"sounds": torture_sounds, "tables": torture_tables, "kills": torture_kills, "faults": torture_faults}
COUNTS = {"sounds": (300, 1500), "tables": (100, 300), "kills": (30, 100), "faults": (8, 20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--out", type=Path, default=Path("build/torture.json"))
    given = parser.parse_args()
    full, tally, begun = os.environ.get("TORTURE") == "full", Tally(), time.monotonic()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        for part, torture in PARTS.items():
            if given.only in (None, part):
                count = COUNTS[part][full]
                print(f"{part}: {count} ({time.monotonic() - begun:.0f} s so far)", flush=True)
                torture(Path(name) / part, count, given.seed, tally)
                given.out.parent.mkdir(parents=True, exist_ok=True)
                tally.write(given.out, given.seed, time.monotonic() - begun)
    print(tally.table())
    print(f"\n{time.monotonic() - begun:.0f} s; largest process {tally.most_memory / 2**20:.0f} MB; seed {given.seed}")
    sys.exit(bool(tally.failed))


if __name__ == "__main__":
    main()
