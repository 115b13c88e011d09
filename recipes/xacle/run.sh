#!/usr/bin/env bash
# A submission to XACLE: run.sh XACLE_dataset [MODEL] [OUT]. Finished steps are not done again; a training that was stopped
# goes on. OWN_VALIDATION=1 keeps the challenge's validation split out of training altogether. SCORE, FINETUNE and EVALUATE
# are further options of these commands.
set -euo pipefail
data=$(realpath "${1:?the folder XACLE_dataset, with meta_data and wav}")
model=${2:-laion-fused}
root=$(realpath "$(dirname "$0")/../..")
out=${3:-$root/build/xacle/$(basename "$model")}
python=$(realpath -s "${PYTHON:-$root/.venv/bin/python}")
here=$root/recipes/xacle
table=ratings.csv
[ -z "${OWN_VALIDATION:-}" ] || table=training.csv
mkdir -p "$out"

# What a folder holds is of one model and one set of options.
asked="$model; learnt from $table $(cat "$data"/meta_data/*.csv | cksum); finetune ${FINETUNE:-}; score ${SCORE:-}"
if [ "$(cat "$out/asked.txt" 2> /dev/null || echo "$asked")" != "$asked" ]; then
  echo "run.sh: $out is of other options or files ($(cat "$out/asked.txt")); name another folder, or remove it" >&2
  exit 2
fi
echo "$asked" > "$out/asked.txt"

clapometer() { "$python" -m clapometer "$@"; }

score() { # NAME MODEL
  [ -e "$out/$1.csv" ] ||
    clapometer score "$out/pairs.csv" --model "$2" --audio-root "$data/wav" -o "$out/$1.csv" ${SCORE:-}
  "$python" "$here/submission.py" "$data" "$out/$1.csv" "$out/$1"
}

"$python" "$here/tables.py" "$data" "$out"
score base "$model"
# The card is what fine-tuning writes last.
[ -e "$out/model/CARD.md" ] ||
  clapometer finetune "$out/$table" --audio-root "$data/wav" --model "$model" -o "$out/model" ${FINETUNE:-}
score tuned "$out/model"
for split in validation test; do
  made=inference_result_for_$split.csv
  [ ! -e "$out/tuned/$split/evaluation_result.csv" ] ||
    clapometer evaluate "base=$out/base/$made" "tuned=$out/tuned/$made" --ratings "$out/ratings.csv" --split "$split" \
      --score-column pred_score --score-scale 0,10 --audio-root "$data/wav" -o "$out/$split" ${EVALUATE:-}
done
"$python" "$here/report.py" "$out"
