"""Python's end of the lines that scripts/bench/peer.mjs describes."""

import json
import sys
import time
from pathlib import Path

import torch

SCRIPTS = Path(__file__).resolve().parents[2]
sys.path += [str(SCRIPTS / "oracle"), str(SCRIPTS / "trials")]


def wanted():
    """What the harness wants: the first argument, as JSON."""
    return json.loads(sys.argv[1])


def say(line):
    print(json.dumps(line), flush=True)


def synchronize():
    """Kernels on a GPU run behind the program that started them."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def serve(work, **about):
    """Describes itself, and does `work(count)`, which gives the number of images, on request."""
    say({"torch": torch.__version__, "threads": torch.get_num_threads(), **about})
    for line in sys.stdin:
        count = json.loads(line)["count"]
        synchronize()
        begin = time.perf_counter()
        items = work(count)
        synchronize()
        say({"items": items, "seconds": time.perf_counter() - begin})
