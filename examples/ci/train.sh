#!/bin/sh
# Trains on an image folder, or resumes the training that an earlier call did not finish, and fails if
# the accuracy is too low.
#
#   ./train.sh photos          RUN=runs/ci MIN_ACCURACY=0.9 are the defaults
set -eu

data=${1:?usage: train.sh FOLDER}
run=${RUN:-runs/ci}
minimum=${MIN_ACCURACY:-0.9}

if [ -e "$run/config.json" ]; then
  npx --no residual train --resume "$run"
else
  npx --no residual train "$data" --out "$run"
fi
npx --no residual report "$run"
npx --no residual eval "$run" --json > "$run/evaluation.json"
node -e '
  const { accuracy } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))
  console.log(`accuracy ${accuracy}, required ${process.argv[2]}`)
  process.exit(accuracy >= Number(process.argv[2]) ? 0 : 1)
' "$run/evaluation.json" "$minimum"
