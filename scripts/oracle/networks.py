"""The networks that ours are compared with, from torchvision's own blocks.

Names are torchvision's, so that a state_dict fits ours without a map.
"""

import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

CLASSES = 10


class PadShortcut(nn.Module):
    """Option A: every second pixel, with zero channels before and behind.

    As akamaster/pytorch_resnet_cifar10 has it; `channels` is how many come out.
    """

    def __init__(self, channels):
        super().__init__()
        self.pad = channels // 4

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


def projection(in_channels, channels):
    """Option B: a 1x1 convolution of stride 2, normalised."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels)
    )


class CifarResNet(nn.Module):
    """Section 4.2 of the paper: three stages of 16, 32 and 64 channels, `blocks` blocks each.

    torchvision has none; its blocks and names are used.
    """

    def __init__(self, blocks, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(16, 16, blocks, shortcut)
        self.layer2 = stage(16, 32, blocks, shortcut)
        self.layer3 = stage(32, 64, blocks, shortcut)
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def stage(in_channels, channels, blocks, shortcut):
    if in_channels == channels:
        first = BasicBlock(in_channels, channels)
    else:
        down = PadShortcut(channels) if shortcut == "A" else projection(in_channels, channels)
        first = BasicBlock(in_channels, channels, stride=2, downsample=down)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


IMAGENET = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
}


def build(arch, stem, shortcut):
    """A network of `CLASSES` classes; `stem` is "cifar" or "imagenet", `shortcut` "A" or "B"."""
    if arch == "resnet20":
        return CifarResNet(3, shortcut)
    block, layers = IMAGENET[arch]
    net = ResNet(block, layers, num_classes=CLASSES)
    if stem == "cifar":
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    return net
