#!/usr/bin/env bash
# Trains the next embedded model: run.sh DATA [DEVICE]. Finished steps are not done again. The packages of `voices.py` must
# be installed or unpacked: its docstring says how; wordnet-base is unpacked here.
set -euo pipefail
data=$(realpath "${1:?the folder with sounds, more and teachers}")
device=${2:-cpu}
root=$(realpath "$(dirname "$0")/../..")
python=$(realpath -s "${PYTHON:-$root/.venv/bin/python}")
build=$root/build/mini_next
cd "$root/recipes/mini_next"
mkdir -p "$build/debian"

if [ ! -e "$build/debian/usr" ]; then
  packages=$("$python" -c "import voices; print('wordnet-base', *voices.PACKAGES)")
  (cd "$build/debian" && apt-get download $packages && for file in *.deb; do dpkg -x "$file" .; done)
fi
[ -e "$build/voices/voices.csv" ] || "$python" voices.py --root "$build/debian" --out "$build/voices"
if [ ! -e "$build/text.done" ]; then
  "$python" distill_text.py --data "$data" --wordnet "$build/debian" --out "$build/text" --device "$device" \
    --batch 256 --learning-rate 5e-4 && touch "$build/text.done"
fi
[ -e "$build/run/end" ] ||
  "$python" train.py --data "$data" --build "$build" --out "$build/run" --device "$device" \
    --without-speakers fillets-nl-small
"$python" assemble.py --data "$data" --run "$build/run" --out "$build/model"
"$python" probe.py --data "$data" "$build/model"
