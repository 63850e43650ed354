"""PyTorch in the case epoch: an epoch with data loading, validation and checkpoint. A unit of
work is an epoch.

`pipeline` is dataloader (a DataLoader with two workers and torchvision's transforms on Pillow
images) or memory (images in memory as uint8, augmented in batches by tensor operations). Loss and number of
correct predictions are read at every step. configuration.py describes the other options.
"""

import os
import tempfile

import serve  # noqa: I001  first, because this import extends the module path
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torchvision import transforms

import cifar
import configuration
from pytorch_cifar import Augment

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def loaders(config, train, validation):
    prepare = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    options = {"batch_size": config["batch"], "num_workers": 2}
    return (
        DataLoader(
            cifar.Cifar(*train, transforms.Compose(augment + prepare)), shuffle=True, **options
        ),
        DataLoader(cifar.Cifar(*validation, transforms.Compose(prepare)), **options),
    )


class InMemory:
    """Iterates over batches of images in memory, which are augmented as tensors."""

    def __init__(self, images, labels, batch, augment, shuffle):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(labels)
        self.batch, self.augment, self.shuffle = batch, augment, shuffle

    def __iter__(self):
        n = len(self.labels)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for indices in order.split(self.batch):
            prepare = self.augment if self.shuffle else self.augment.normalize
            yield prepare(self.images[indices]), self.labels[indices]


def main():
    config = serve.read_config()
    images, labels = cifar.read(config["data"])
    split = len(labels) - config["validation"]
    train, validation = (images[:split], labels[:split]), (images[split:], labels[split:])
    if config["pipeline"] == "dataloader":
        train_loader, validation_loader = loaders(config, train, validation)
    else:
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (MEAN, STD))
        augment = Augment(mean, std, torch.Generator().manual_seed(1))
        train_loader = InMemory(*train, config["batch"], augment, shuffle=True)
        validation_loader = InMemory(*validation, config["batch"], augment, shuffle=False)

    net = configuration.build(config)
    optimizer = configuration.sgd(net, config)
    autocast = configuration.autocast(config)
    checkpoint = os.path.join(tempfile.mkdtemp(dir=config["folder"]), "ckpt.pth")

    def epochs(count):
        for epoch in range(count):
            net.train()
            total, num_correct = 0.0, 0
            for x, y in train_loader:
                x = configuration.to_layout(x, config)
                optimizer.zero_grad()
                with autocast():
                    logits = net(x)
                    loss = F.cross_entropy(logits, y)
                loss.backward()
                optimizer.step()
                total += loss.item()
                num_correct += logits.argmax(1).eq(y).sum().item()
            net.eval()
            with torch.no_grad(), autocast():
                for x, y in validation_loader:
                    logits = net(configuration.to_layout(x, config))
                    total += F.cross_entropy(logits, y).item()
                    num_correct += logits.argmax(1).eq(y).sum().item()
            torch.save({"net": net.state_dict(), "epoch": epoch}, checkpoint)
        return count * split

    serve.serve(epochs)


if __name__ == "__main__":
    main()
