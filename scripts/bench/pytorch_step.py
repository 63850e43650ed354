"""PyTorch's side of train-step.mjs: times whole training steps when it is asked to.

Reads one JSON object a line and answers each with one, so that a harness can take turns between
this process and others. On the way in:

    {"net": "resnet20", "mode": "notebook", "steps": 8}

`net` is resnet20 (section 4.2 of the paper, option A) or resnet18 (CIFAR stem), both on 128 images
of 3x32x32. `mode` is how PyTorch is used:

    notebook    fp32, NCHW, torch.optim.SGD as it comes
    tuned       bf16 autocast, channels_last, SGD(fused=True)

and on the way out, over the steps asked for (the process keeps the network, so that the first
request for a pair warms it up):

    {"net": "resnet20", "mode": "notebook", "steps": 8, "seconds": 2.3, "imagesPerSecond": 445.2, "loss": 2.1}

A step is forward, cross-entropy, backward, update, and reading the loss. The first line out, before
any request, describes the process: {"torch": "2.11.0", "threads": 2}.
"""

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))

import networks  # noqa: E402

BATCH = 128


class Trainer:
    def __init__(self, net, mode):
        torch.manual_seed(1)
        tuned = mode == "tuned"
        self.net = networks.build(net, stem="cifar", shortcut="A" if net == "resnet20" else "B")
        self.net.train()
        self.images = torch.randn(BATCH, 3, 32, 32)
        self.labels = torch.randint(networks.CLASSES, (BATCH,))
        self.autocast = nullcontext
        if tuned:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.images = self.images.to(memory_format=torch.channels_last)
            self.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
        # Without `fused`, SGD on a CPU updates one tensor after another.
        options = {"fused": True} if tuned else {}
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, **options
        )

    def step(self):
        self.optimizer.zero_grad()
        with self.autocast():
            loss = F.cross_entropy(self.net(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def answer(line):
    print(json.dumps(line), flush=True)


def main():
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(threads)
    answer({"torch": torch.__version__, "threads": threads})
    trainers = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["net"], request["mode"]
        if key not in trainers:
            trainers[key] = Trainer(*key)
        trainer = trainers[key]
        begin = time.perf_counter()
        for _ in range(request["steps"]):
            loss = trainer.step()
        seconds = time.perf_counter() - begin
        rate = request["steps"] * BATCH / seconds
        answer({**request, "seconds": seconds, "imagesPerSecond": rate, "loss": loss})


if __name__ == "__main__":
    main()
