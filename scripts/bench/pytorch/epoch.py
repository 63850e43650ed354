"""PyTorch in epoch: a whole epoch with its data, the test of its accuracy and its checkpoint. A piece
of work is an epoch.

`way` is notebook (a DataLoader with two workers, torchvision's transforms on Pillow images, the loss
and the number of right answers read at every step) or memory (bytes that stay in memory, augmented a
batch at a time by a few tensor operations). How the network is used is usage.py's.
"""

import os
import tempfile

import serve  # noqa: I001  first, for it says where the networks are
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import transforms

import cifar
import usage
from pytorch_cifar import Augment

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def loaders(config, train, held):
    prepare = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    options = {"batch_size": config["batch"], "num_workers": 2}
    return (
        DataLoader(
            cifar.Cifar(*train, transforms.Compose(augment + prepare)), shuffle=True, **options
        ),
        DataLoader(cifar.Cifar(*held, transforms.Compose(prepare)), **options),
    )


class InMemory:
    """Batches of bytes, augmented together."""

    def __init__(self, images, labels, batch, augment, shuffle):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(labels)
        self.batch, self.augment, self.shuffle = batch, augment, shuffle

    def __iter__(self):
        n = len(self.labels)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for chosen in order.split(self.batch):
            prepare = self.augment if self.shuffle else self.augment.normalise
            yield prepare(self.images[chosen]), self.labels[chosen]


def main():
    config = serve.wanted()
    images, labels = cifar.read(config["data"])
    kept = len(labels) - config["validation"]
    train, held = (images[:kept], labels[:kept]), (images[kept:], labels[kept:])
    if config["way"] == "notebook":
        train_loader, held_loader = loaders(config, train, held)
    else:
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (MEAN, STD))
        augment = Augment(mean, std, torch.Generator().manual_seed(1))
        train_loader = InMemory(*train, config["batch"], augment, shuffle=True)
        held_loader = InMemory(*held, config["batch"], augment, shuffle=False)

    net = usage.build(config)
    optimizer = usage.sgd(net, config)
    autocast = usage.autocast(config)
    checkpoint = os.path.join(tempfile.mkdtemp(dir=config["folder"]), "ckpt.pth")

    def epochs(count):
        for epoch in range(count):
            net.train()
            total, right = 0.0, 0
            for x, y in train_loader:
                x = usage.laid_out(x, config)
                optimizer.zero_grad()
                with autocast():
                    logits = net(x)
                    loss = F.cross_entropy(logits, y)
                loss.backward()
                optimizer.step()
                total += loss.item()
                right += logits.argmax(1).eq(y).sum().item()
            net.eval()
            with torch.no_grad(), autocast():
                for x, y in held_loader:
                    logits = net(usage.laid_out(x, config))
                    total += F.cross_entropy(logits, y).item()
                    right += logits.argmax(1).eq(y).sum().item()
            torch.save({"net": net.state_dict(), "epoch": epoch}, checkpoint)
        return count * kept

    serve.serve(epochs)


if __name__ == "__main__":
    main()
