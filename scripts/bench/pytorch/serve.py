"""Protocol of scripts/bench/worker.mjs, in the benchmarked process."""

import json
import sys
import time
from pathlib import Path

import torch

SCRIPTS = Path(__file__).resolve().parents[2]
sys.path += [str(SCRIPTS / "oracle"), str(SCRIPTS / "trials")]


def read_config():
    """Reads the configuration, which is the first argument as JSON."""
    return json.loads(sys.argv[1])


def write_line(value):
    print(json.dumps(value), flush=True)


def synchronize():
    """Waits for GPU kernels, which run asynchronously."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def serve(work, **info):
    """Describes the process, then calls `work(count)` for each request.

    `work` returns the number of processed images.
    """
    write_line({"torch": torch.__version__, "threads": torch.get_num_threads(), **info})
    for line in sys.stdin:
        count = json.loads(line)["count"]
        synchronize()
        start = time.perf_counter()
        items = work(count)
        synchronize()
        write_line({"items": items, "seconds": time.perf_counter() - start})
