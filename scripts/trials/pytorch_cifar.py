"""PyTorch's side of a training that docs/results.md reports: ResNet-20 on an image folder.

    $(node scripts/oracle/venv.mjs) scripts/trials/pytorch_cifar.py DATA [--epochs 30] [--seed 0] [--bf16]
        [--recipe fast] [--net resnet18] [--device cuda]

DATA is a folder with train/<class>/*.jpg and test/<class>/*.jpg of 32 x 32 pixels. The recipe is the
one that `residual train DATA --model resnet20` is given there: ResNet-20 with option A, batch 128,
SGD 0.1 / 0.9 / 5e-4, one epoch of warm-up from a tenth of the rate, half a cosine to zero over the
whole run, pad-4 crop and flip, normalisation by the training images' mean and deviation, a tenth of
each class held back for validation. channels_last and fused SGD; fp32, or with --bf16 autocast,
whichever PyTorch is faster with on the machine at hand. `--recipe fast` is recipes/fast.yaml in place
of that: one cycle to 0.3 and down, Nesterov, label smoothing, no decay of norms and biases, residual
branches that begin at zero.

All images are decoded once, by Pillow, and stay in memory as bytes; a batch is augmented with a few
tensor operations, which is faster than torchvision's transforms image by image. Prints a JSON object
for each epoch, and at the end the accuracy on the test images of the epoch with the best validation
accuracy and of the last.
"""

import argparse
import copy
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models.resnet import BasicBlock, Bottleneck

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))

import networks  # noqa: E402

BATCH = 128
RATE, MOMENTUM, DECAY = 0.1, 0.9, 5e-4
WARMUP_FROM = 0.1


def read(folder):
    """Every image of a part: bytes [n, 3, 32, 32] and labels [n]."""
    images, labels = [], []
    for label, kind in enumerate(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())):
        for file in sorted((folder / kind).iterdir()):
            images.append(np.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def held_back(labels, share, generator):
    """Indices to train on and to validate on, the same share of every class."""
    keep, hold = [], []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        count = round(share * len(members))
        hold.append(members[:count])
        keep.append(members[count:])
    return torch.cat(keep), torch.cat(hold)


class Augment:
    """Pad by 4, crop at random, flip half, normalise."""

    def __init__(self, mean, std, generator):
        self.mean, self.std, self.generator = mean, std, generator

    def normalise(self, images):
        x = (images.float() / 255 - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last)

    def __call__(self, images):
        n = len(images)
        padded = F.pad(images, (4, 4, 4, 4))
        random = {"generator": self.generator, "device": images.device}
        side = torch.arange(32, device=images.device)
        rows, columns = (torch.randint(9, (n, 1), **random) + side for _ in range(2))
        flip = torch.rand(n, **random) < 0.5
        columns = torch.where(flip[:, None], columns.flip(1), columns)
        each = torch.arange(n, device=images.device)[:, None, None]
        cropped = padded[each, :, rows[:, :, None], columns[:, None, :]]
        return self.normalise(cropped.permute(0, 3, 1, 2))


def rate(step, steps, warmup):
    rise = WARMUP_FROM + (1 - WARMUP_FROM) * step / warmup if step < warmup else 1.0
    share = max(0.0, (step - warmup) / (steps - warmup))
    return RATE * rise * (1 + math.cos(math.pi * share)) / 2


def one_cycle(step, steps):
    """recipes/fast.yaml's: a cosine from a tenth of 0.3 up, over a fifth of the steps, and one down to
    a ten-thousandth of it."""
    peak, first = 0.3, 0.2 * steps - 1
    low, high, share = (peak / 10, peak, step / first)
    if step > first:
        low, high, share = (peak / 10_000, peak, 1 - (step - first) / (steps - 1 - first))
    return low + (high - low) * (1 - math.cos(math.pi * share)) / 2


def parameter_groups(net):
    """Weights decay; norms and biases do not."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


def begin_at_zero(net):
    for module in net.modules():
        if isinstance(module, BasicBlock):
            torch.nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, Bottleneck):
            torch.nn.init.zeros_(module.bn3.weight)


def accuracy(net, augment, images, labels, autocast):
    net.eval()
    right = 0
    with torch.no_grad(), autocast():
        for begin in range(0, len(images), BATCH):
            logits = net(augment.normalise(images[begin : begin + BATCH]))
            right += (logits.argmax(1) == labels[begin : begin + BATCH]).sum().item()
    net.train()
    return right / len(images)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--epochs", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--bf16", action="store_true")
    arguments.add_argument("--recipe", choices=["cosine", "fast"], default="cosine")
    arguments.add_argument("--net", default="resnet20")
    arguments.add_argument("--device", default="cpu")
    options = arguments.parse_args()
    fast, device = options.recipe == "fast", torch.device(options.device)

    torch.manual_seed(options.seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.backends.cudnn.benchmark = True
    generator = torch.Generator(device).manual_seed(options.seed)
    # Indices are drawn on the CPU.
    split = generator if device.type == "cpu" else torch.Generator().manual_seed(options.seed)
    begin = time.perf_counter()
    images, labels = read(options.data / "train")
    test = read(options.data / "test")
    kept, held = held_back(labels, 0.1, split)
    # All of it fits into a GPU's memory, where it is augmented too.
    images, labels = images.to(device), labels.to(device)
    test = tuple(part.to(device) for part in test)
    train, val = (images[kept], labels[kept]), (images[held], labels[held])
    pixels = images.permute(1, 0, 2, 3).reshape(3, -1).float() / 255
    augment = Augment(pixels.mean(1).view(3, 1, 1), pixels.std(1).view(3, 1, 1), generator)
    del images, pixels
    reading = time.perf_counter() - begin

    shortcut = "A" if options.net in networks.CIFAR else "B"
    net = networks.build(options.net, stem="cifar", shortcut=shortcut)
    net = net.to(device, memory_format=torch.channels_last)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if fast:
        begin_at_zero(net)
    optimizer = torch.optim.SGD(
        parameter_groups(net) if fast else net.parameters(),
        lr=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        nesterov=fast,
        fused=True,
    )

    def autocast():
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.bf16)

    per_epoch = math.ceil(len(train[0]) / BATCH)
    best = (-1.0, 0, None)
    begin = time.perf_counter()
    for epoch in range(options.epochs):
        order = torch.randperm(len(train[0]), generator=generator, device=device)
        loss_sum, right, busy = 0.0, 0, time.perf_counter()
        for batch in range(per_epoch):
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            x, y = augment(train[0][chosen]), train[1][chosen]
            step = epoch * per_epoch + batch
            steps = options.epochs * per_epoch
            lr = one_cycle(step, steps) if fast else rate(step, steps, per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.zero_grad()
            with autocast():
                logits = net(x)
                loss = F.cross_entropy(logits, y, label_smoothing=0.1 if fast else 0.0)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(y)
            right += (logits.argmax(1) == y).sum().item()
        busy = time.perf_counter() - busy
        val_accuracy = accuracy(net, augment, *val, autocast)
        if val_accuracy > best[0]:
            best = (val_accuracy, epoch + 1, copy.deepcopy(net.state_dict()))
        print(
            json.dumps(
                {
                    "epoch": epoch + 1,
                    "loss": loss_sum / len(train[0]),
                    "trainAccuracy": right / len(train[0]),
                    "valAccuracy": val_accuracy,
                    "imagesPerSecond": len(train[0]) / busy,
                    "seconds": time.perf_counter() - begin,
                }
            ),
            flush=True,
        )
    seconds = time.perf_counter() - begin
    last = accuracy(net, augment, *test, autocast)
    net.load_state_dict(best[2])
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "seed": options.seed,
                "bf16": options.bf16,
                "readingSeconds": reading,
                "seconds": seconds,
                "bestEpoch": best[1],
                "testAccuracy": accuracy(net, augment, *test, autocast),
                "lastTestAccuracy": last,
            }
        )
    )


if __name__ == "__main__":
    main()
