#!/usr/bin/env bash
# Trains mini on queries about voices and, to compare, on emotions alone; evaluates both and mini as it is, on the
# speakers held out: run.sh EMODB. A training that was stopped goes on. Everything anew: remove build/mini_voice.
set -euo pipefail
corpus=$(realpath "${1:?the folder of EmoDB}")
root=$(realpath "$(dirname "$0")/../..")
bin=$(realpath -s "${BIN:-$root/.venv/bin}")
build=$(realpath -m "${BUILD:-$root/build/mini_voice}")
cd "$root/recipes/mini_voice"
mkdir -p "$build"

if [ ! -e "$build/facts.csv" ]; then
  "$bin/clapometer" corpus emodb "$corpus" -o "$build/emodb.csv"
  # shellcheck disable=SC2086
  "$bin/python" prepare.py --corpus "$build/emodb.csv" --out "$build" ${PREPARE:-}
  # What is high and low is learned from the clips as they are, and applied to the changed ones and to the others.
  "$bin/clapometer" queries "$build/original.csv" -o "$build/original_queries.csv" --save-bins "$build/bins.json" --quiet > "$build/phrases.txt"
  said=(--bins "$build/bins.json" --quiet)
  "$bin/clapometer" queries "$build/train.csv" -o "$build/sample.csv" --queries 4 "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/train.csv" -o "$build/always.csv" --queries 4 --always emotion "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/train.csv" -o "$build/level.csv" --queries 2 --always level "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/original.csv" -o "$build/gender.csv" --queries 4 --always gender "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/train.csv" -o "$build/label.csv" --mode label --queries 8 "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/test.csv" -o "$build/test_queries.csv" --save-features "$build/measures.csv" "${said[@]}" > /dev/null
  "$bin/clapometer" queries "$build/train.csv" -o "$build/facts.csv" --mode all --queries 1 "${said[@]}" > /dev/null
fi
train() {
  # shellcheck disable=SC2086
  "$bin/python" train.py --facts "$build/facts.csv" --out "$build/$1" --queries "${@:2}" ${TRAIN:-}
}
train sample "$build/"{sample,always,level,gender}.csv
train label "$build/label.csv"
for model in "$build/sample" "$build/label" mini; do
  "$bin/python" evaluate.py --model "$model" --test "$build/test.csv" --measures "$build/measures.csv" \
    --bins "$build/bins.json" --out "$build/figures-$(basename "$model").json" > /dev/null
done
"$bin/python" report.py "$build"
