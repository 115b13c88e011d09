#!/usr/bin/env bash
# A submission to XACLE: run.sh XACLE_dataset [MODEL] [OUT]. What was trained is not trained again, and what was heard is
# kept in the cache; a training that was stopped goes on. OWN_VALIDATION=1 keeps the challenge's validation split out of
# training altogether. SCORE, FINETUNE and EVALUATE are further options of these commands.
set -euo pipefail
data=$(realpath "${1:?the folder XACLE_dataset, with meta_data and wav}")
model=${2:-laion-fused}
root=$(realpath "$(dirname "$0")/../..")
out=${3:-$root/build/xacle/$(basename "$model")}
python=$(realpath -s "${PYTHON:-$root/.venv/bin/python}")
here=$root/recipes/xacle
mkdir -p "$out"

# A model is of one set of options and of one training split; the test may come, and its ratings, when it is trained.
learnt=$(cat "$data"/meta_data/train*.csv "$data"/meta_data/validation*.csv | cksum)
set -o noglob # mse+0.5*margin names no files
asked="$model; training and validation $learnt${OWN_VALIDATION:+, own validation}; finetune ${FINETUNE:-}; score ${SCORE:-}"
if [ "$(cat "$out/asked.txt" 2> /dev/null || echo "$asked")" != "$asked" ]; then
  echo "run.sh: $out is of other options or ratings ($(cat "$out/asked.txt")); name another folder, or remove it" >&2
  exit 2
fi
echo "$asked" > "$out/asked.txt"

clapometer() { "$python" -m clapometer "$@"; }

score() { # NAME MODEL
  clapometer score "$out/pairs.csv" --model "$2" --audio-root "$data/wav" -o "$out/$1.csv" ${SCORE:-}
  "$python" "$here/submission.py" "$data" "$out/$1.csv" "$out/$1"
}

"$python" "$here/tables.py" "$data" "$out" ${OWN_VALIDATION:+--own-validation}
score base "$model"
# The card is what fine-tuning writes last.
[ -e "$out/model/CARD.md" ] ||
  clapometer finetune "$out/training.csv" --audio-root "$data/wav" --model "$model" -o "$out/model" ${FINETUNE:-}
score tuned "$out/model"
for split in validation test; do
  made=inference_result_for_$split.csv
  [ ! -e "$out/tuned/$split/evaluation_result.csv" ] ||
    clapometer evaluate "base=$out/base/$made" "tuned=$out/tuned/$made" --ratings "$out/ratings.csv" --split "$split" \
      --score-column pred_score --score-scale 0,10 --audio-root "$data/wav" -o "$out/$split" ${EVALUATE:-}
done
"$python" "$here/report.py" "$out"
