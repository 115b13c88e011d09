#!/usr/bin/env bash
# Trains, evaluates and installs the embedded model: run.sh DATA. Finished steps are not done again; a training that was
# stopped goes on. Everything anew: remove build/mini.
set -euo pipefail
data=$(realpath "${1:?the folder with sounds, emodb, captions and teachers}")
root=$(realpath "$(dirname "$0")/../..")
python=$(realpath -s "${PYTHON:-$root/.venv/bin/python}")
build=$root/build/mini
model=$root/src/clapometer/models/bundled/mini
cd "$root/recipes/mini"
mkdir -p "$build" "$model"

if [ ! -e "$build/text.done" ]; then
  "$python" distill_text.py --data "$data" --out "$build/text" && touch "$build/text.done"
fi
if [ ! -e "$build/teacher.safetensors" ]; then
  "$python" prepare.py --data "$data" --text "$build/text" --out "$build"
fi
"$python" train_audio.py --data "$data" --build "$build" --out "$build/run"
cp "$build/run/last/config.json" "$build/run/last/model.safetensors" "$build/run/last/tokenizer.json" "$model"
"$python" evaluate.py --data "$data" --model "$model" --out "$root/bench/results/mini.json"
"$python" card.py --figures "$root/bench/results/mini.json" --out "$model/CARD.md"
"$python" seen.py --data "$data" --model "$model"
