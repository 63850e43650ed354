#!/bin/sh
# Runs `residual` with the arguments of the container. Without arguments it trains on the images in
# /data, or continues the run that an earlier start of the container did not finish. A run that is
# complete stays as it is, and ends with status 0.
set -eu

run=${RUN:-/runs/photos}
if [ $# -eq 0 ] && [ -e "$run/config.json" ]; then
  set -- train --resume "$run"
elif [ $# -eq 0 ]; then
  set -- train /data --out "$run"
fi
# `exec`: residual gets the signals of `docker stop`, and saves a checkpoint.
exec node "$(dirname "$0")/node_modules/residual/dist/cli/main.js" "$@"
