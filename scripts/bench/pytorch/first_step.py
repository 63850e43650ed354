"""PyTorch in the case first-step: a minimal training program that reports its first step."""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision.transforms as transforms
from torch.utils.data import DataLoader

sys.path.append(str(Path(__file__).resolve().parents[2] / "oracle"))

import cifar  # noqa: E402
import networks  # noqa: E402


def main():
    config = json.loads(sys.argv[1])
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ]
    )
    data = cifar.Cifar(*cifar.read(config["data"]), transform)
    loader = DataLoader(data, batch_size=128, shuffle=True, num_workers=2)
    net = networks.build(config["net"], stem="cifar", shortcut="A").train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        print(json.dumps({"loss": loss.item()}), flush=True)
        break


if __name__ == "__main__":
    main()
