"""Trains a network on an image folder with PyTorch, for the comparison in docs/results.md.

    $(node scripts/oracle/venv.mjs) scripts/trials/pytorch_cifar.py DATA [--epochs 30] [--seed 0] [--bf16]
        [--recipe fast] [--net resnet18] [--device cuda]

DATA is a folder with train/<class>/*.jpg and test/<class>/*.jpg of 32 x 32 pixels. Except for the
normalization, the settings are those of `residual train DATA --model resnet20 warmup.epochs=1`:
ResNet-20 with option A, batch size 128, SGD with learning rate 0.1, momentum 0.9 and weight decay
5e-4, one epoch of warm-up from a tenth of the learning rate, cosine annealing to zero, padding by 4
with random crop and flip, a tenth of each class held out for validation. Normalization uses mean and
standard deviation of all images in DATA/train, including the held-out ones; residual uses ImageNet's
for image folders. Memory format channels_last, fused SGD, and fp32 or, with --bf16, autocast.
`--recipe fast` is recipes/fast.yaml: one-cycle schedule up to 0.3, Nesterov momentum, label
smoothing, no weight decay of normalization layers and biases, zero-initialized residual branches.

Pillow decodes all images once into memory. Batches are augmented by tensor operations, which is
faster than torchvision's transforms of single images. The script prints a JSON object for each
epoch and, at the end, the test accuracy of the epoch with the best validation accuracy and of the
last epoch.
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

BATCH_SIZE = 128
LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4
WARMUP_START_FACTOR = 0.1


def load_split(folder):
    """Returns the images [n, 3, 32, 32] and labels [n] of a split."""
    images, labels = [], []
    class_names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    for label, class_name in enumerate(class_names):
        for file in sorted((folder / class_name).iterdir()):
            images.append(np.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def stratified_split(labels, fraction, generator):
    """Returns indices for training and validation: `fraction` of each class is for validation."""
    train, val = [], []
    for label in labels.unique():
        indices = (labels == label).nonzero().flatten()
        indices = indices[torch.randperm(len(indices), generator=generator)]
        num_val = round(fraction * len(indices))
        val.append(indices[:num_val])
        train.append(indices[num_val:])
    return torch.cat(train), torch.cat(val)


class Augment:
    """Padding by 4, random crop, flip and normalization of a batch."""

    def __init__(self, mean, std, generator):
        self.mean, self.std, self.generator = mean, std, generator

    def normalize(self, images):
        x = (images.float() / 255 - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last)

    def __call__(self, images):
        n = len(images)
        padded = F.pad(images, (4, 4, 4, 4))
        factory_kwargs = {"generator": self.generator, "device": images.device}
        offsets = torch.arange(32, device=images.device)
        rows, columns = (torch.randint(9, (n, 1), **factory_kwargs) + offsets for _ in range(2))
        flip = torch.rand(n, **factory_kwargs) < 0.5
        columns = torch.where(flip[:, None], columns.flip(1), columns)
        batch_index = torch.arange(n, device=images.device)[:, None, None]
        cropped = padded[batch_index, :, rows[:, :, None], columns[:, None, :]]
        return self.normalize(cropped.permute(0, 3, 1, 2))


def cosine(step, total_steps, warmup_steps):
    """Returns the learning rate of cosine annealing with linear warm-up over `warmup_steps`."""
    ramp = WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * step / warmup_steps
    factor = ramp if step < warmup_steps else 1.0
    progress = max(0.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return LR * factor * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(step, total_steps):
    """Returns the learning rate of recipes/fast.yaml: to 0.3 in a fifth of the steps, then to 3e-5."""
    peak, peak_step = 0.3, 0.2 * total_steps - 1
    low, progress = peak / 10, step / peak_step
    if step > peak_step:
        low, progress = peak / 10_000, 1 - (step - peak_step) / (total_steps - 1 - peak_step)
    return low + (peak - low) * (1 - math.cos(math.pi * progress)) / 2


def parameter_groups(net):
    """Returns parameter groups without weight decay for normalization layers and biases."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    no_decay = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": weights}, {"params": no_decay, "weight_decay": 0.0}]


def zero_init_residual(net):
    for module in net.modules():
        if isinstance(module, BasicBlock):
            torch.nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, Bottleneck):
            torch.nn.init.zeros_(module.bn3.weight)


def accuracy(net, augment, images, labels, autocast):
    net.eval()
    num_correct = 0
    with torch.no_grad(), autocast():
        for start in range(0, len(images), BATCH_SIZE):
            logits = net(augment.normalize(images[start : start + BATCH_SIZE]))
            num_correct += (logits.argmax(1) == labels[start : start + BATCH_SIZE]).sum().item()
    net.train()
    return num_correct / len(images)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--recipe", choices=["cosine", "fast"], default="cosine")
    parser.add_argument("--net", default="resnet20")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def load_data(options, device, generator):
    """Returns the training, validation and test splits as (images, labels), and the augmentation."""
    # `stratified_split` draws indices on the CPU.
    split_generator = generator if device.type == "cpu" else torch.Generator().manual_seed(options.seed)
    images, labels = load_split(options.data / "train")
    test = load_split(options.data / "test")
    train, val = stratified_split(labels, 0.1, split_generator)
    # All images fit into a GPU's memory and are augmented there.
    images, labels = images.to(device), labels.to(device)
    test = tuple(tensor.to(device) for tensor in test)
    # Includes the validation images.
    pixels = images.permute(1, 0, 2, 3).reshape(3, -1).float() / 255
    augment = Augment(pixels.mean(1).view(3, 1, 1), pixels.std(1).view(3, 1, 1), generator)
    return (images[train], labels[train]), (images[val], labels[val]), test, augment


def build_network(options, device):
    shortcut = "A" if options.net in networks.CIFAR else "B"
    net = networks.build(options.net, stem="cifar", shortcut=shortcut)
    net = net.to(device, memory_format=torch.channels_last)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if options.recipe == "fast":
        zero_init_residual(net)
    return net


class Trainer:
    """Trains a network epoch by epoch."""

    def __init__(self, net, augment, options, device, generator):
        self.net, self.augment, self.options = net, augment, options
        self.device, self.generator = device, generator
        self.is_fast = options.recipe == "fast"
        self.optimizer = torch.optim.SGD(
            parameter_groups(net) if self.is_fast else net.parameters(),
            lr=LR,
            momentum=MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            nesterov=self.is_fast,
            fused=True,
        )

    def autocast(self):
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.bf16)

    def train_epoch(self, epoch, images, labels):
        """Returns mean loss, accuracy and seconds."""
        steps_per_epoch = math.ceil(len(images) / BATCH_SIZE)
        total_steps = self.options.epochs * steps_per_epoch
        order = torch.randperm(len(images), generator=self.generator, device=self.device)
        loss_sum, num_correct, start = 0.0, 0, time.perf_counter()
        for batch_index in range(steps_per_epoch):
            indices = order[batch_index * BATCH_SIZE : (batch_index + 1) * BATCH_SIZE]
            x, y = self.augment(images[indices]), labels[indices]
            step = epoch * steps_per_epoch + batch_index
            if self.is_fast:
                lr = one_cycle(step, total_steps)
            else:
                lr = cosine(step, total_steps, warmup_steps=steps_per_epoch)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.zero_grad()
            with self.autocast():
                logits = self.net(x)
                loss = F.cross_entropy(logits, y, label_smoothing=0.1 if self.is_fast else 0.0)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * len(y)
            num_correct += (logits.argmax(1) == y).sum().item()
        return loss_sum / len(images), num_correct / len(images), time.perf_counter() - start

    def accuracy(self, images, labels):
        return accuracy(self.net, self.augment, images, labels, self.autocast)


def main():
    options = parse_options()
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.backends.cudnn.benchmark = True
    generator = torch.Generator(device).manual_seed(options.seed)
    start = time.perf_counter()
    train, val, test, augment = load_data(options, device, generator)
    load_seconds = time.perf_counter() - start

    net = build_network(options, device)
    trainer = Trainer(net, augment, options, device, generator)
    best_accuracy, best_epoch, best_weights = -1.0, 0, None
    start = time.perf_counter()
    for epoch in range(options.epochs):
        loss, train_accuracy, epoch_seconds = trainer.train_epoch(epoch, *train)
        val_accuracy = trainer.accuracy(*val)
        if val_accuracy > best_accuracy:
            best_accuracy, best_epoch = val_accuracy, epoch + 1
            best_weights = copy.deepcopy(net.state_dict())
        print_json(
            epoch=epoch + 1,
            loss=loss,
            trainAccuracy=train_accuracy,
            valAccuracy=val_accuracy,
            imagesPerSecond=len(train[0]) / epoch_seconds,
            seconds=time.perf_counter() - start,
        )
    seconds = time.perf_counter() - start
    last_test_accuracy = trainer.accuracy(*test)
    net.load_state_dict(best_weights)
    print_json(
        torch=torch.__version__,
        seed=options.seed,
        bf16=options.bf16,
        readingSeconds=load_seconds,
        seconds=seconds,
        bestEpoch=best_epoch,
        testAccuracy=trainer.accuracy(*test),
        lastTestAccuracy=last_test_accuracy,
    )


def print_json(**values):
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
