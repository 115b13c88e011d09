#!/usr/bin/env bash
# ParaCLAP on a corpus of one's own: run.sh TABLE SPEECH_FOLDER BERT_FOLDER. TABLE has the column audio, and emotion,
# gender, arousal, valence, dominance where they are known. A training that was stopped goes on by the same command.
set -euo pipefail
table=$(realpath "${1:?a table of speech}")
speech=$(realpath "${2:?the folder of wav2vec 2.0}")
text=$(realpath "${3:?the folder of BERT}")
root=$(realpath "$(dirname "$0")/../..")
bin=${BIN:-$root/.venv/bin}
build=${BUILD:-$root/build/paraclap}
mkdir -p "$build"

if [ ! -e "$build/start/config.json" ]; then
  "$bin/python" "$root/recipes/paraclap/start.py" --speech "$speech" --text "$text" --out "$build/start"
fi
if [ ! -e "$build/queries.csv" ]; then
  "$bin/clapometer" queries "$table" -o "$build/queries.csv" --mode sample --always emotion --queries 5
fi
# shellcheck disable=SC2086
"$bin/clapometer" pretrain "$build/queries.csv" -o "$build/paraclap" --model "$build/start" \
  --trainable "${PARTS:-audio projection,text projection}" --lr-scale text.=0.01 --lr-scale audio.=0.01 \
  --learning-rate 1e-3 --batch-size 32 --epochs 100 --seconds 5 --no-augment ${OPTIONS:-}
