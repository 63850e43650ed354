#!/bin/sh
# Trains on an image folder, or resumes the training that an earlier call for this commit did not
# finish, and fails if the accuracy is too low.
#
#   ./train.sh photos          RUN=runs/ci-COMMIT MIN_ACCURACY=0.9 are the defaults
set -eu

data=${1:?usage: train.sh FOLDER}
# A run cannot be resumed with other images: every commit gets a folder of its own.
run=${RUN:-runs/ci-$(git rev-parse --short=12 HEAD 2>/dev/null || echo local)}
minimum=${MIN_ACCURACY:-0.9}

if [ -e "$run/config.json" ]; then
  npx --no residual train --resume "$run" || {
    status=$?
    echo "resuming $run failed; if the images have changed, delete the folder or set RUN to another one" >&2
    exit "$status"
  }
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
