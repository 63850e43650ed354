"""Reference networks for comparisons, built from torchvision's blocks.

Parameters have torchvision's names, so that state_dicts load without renaming keys.
"""

import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

CLASSES = 10


class PadShortcut(nn.Module):
    """Option A: takes every second pixel and pads with zero channels on both sides, as in
    akamaster/pytorch_resnet_cifar10. `channels` is the number of output channels.
    """

    def __init__(self, channels):
        super().__init__()
        self.pad = channels // 4

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


def projection(in_channels, channels):
    """Option B: a 1x1 convolution with stride 2 and batch normalization."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels)
    )


class CifarResNet(nn.Module):
    """Section 4.2 of the paper: three stages of `blocks` blocks with 16, 32 and 64 channels.

    torchvision does not have these networks; they use its blocks and parameter names.
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
        downsample = PadShortcut(channels) if shortcut == "A" else projection(in_channels, channels)
        first = BasicBlock(in_channels, channels, stride=2, downsample=downsample)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1)))


class PlainBlock(BasicBlock):
    """torchvision's block without the shortcut, for the paper's plain networks."""

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)))


class PreActBlock(nn.Module):
    """He et al. 2016, figure 4(e): normalization and ReLU before each convolution.

    `kernels` are 3, 3 or, for a bottleneck, 1, 3, 1. The first block of a network has no `bn1`, because
    the stem activates its input. The input of a shortcut that changes the shape is the activated one.
    """

    def __init__(self, in_channels, inner, channels, kernels, stride, shortcut, first):
        super().__init__()
        if not first:
            self.bn1 = nn.BatchNorm2d(in_channels)
        widths = [in_channels] + [inner] * (len(kernels) - 1) + [channels]
        # The first 3x3 convolution has the stride.
        strides = [1] * len(kernels)
        strides[kernels.index(3)] = stride
        for i, kernel in enumerate(kernels):
            conv = nn.Conv2d(
                widths[i], widths[i + 1], kernel, strides[i], padding=kernel // 2, bias=False
            )
            self.add_module(f"conv{i + 1}", conv)
            if i + 1 < len(kernels):
                self.add_module(f"bn{i + 2}", nn.BatchNorm2d(widths[i + 1]))
        self.downsample = None
        if stride != 1 or in_channels != channels:
            if shortcut == "A":
                self.downsample = PadShortcut(channels)
            else:
                self.downsample = nn.Sequential(
                    nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
                )
        self.layers = len(kernels)

    def forward(self, x):
        activated = F.relu(self.bn1(x)) if hasattr(self, "bn1") else x
        shortcut = x if self.downsample is None else self.downsample(activated)
        y = activated
        for i in range(1, self.layers + 1):
            if i > 1:
                y = F.relu(getattr(self, f"bn{i}")(y))
            y = getattr(self, f"conv{i}")(y)
        return y + shortcut


class PreActResNet(nn.Module):
    """Three stages of pre-activation blocks for CIFAR; with `widen_factor`, a Wide ResNet."""

    def __init__(self, blocks, kernels, shortcut, widen_factor=1):
        super().__init__()
        expansion = 4 if len(kernels) == 3 else 1
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage in range(3):
            planes = (16 * widen_factor) << stage
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                first = stage == 0 and block == 0
                out = planes * expansion
                layers.append(
                    PreActBlock(channels, planes, out, kernels, stride, shortcut, first)
                )
                channels = out
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn(self.layer3(self.layer2(self.layer1(x)))))
        return self.fc(x.mean((2, 3)))


def add_projections(net):
    """Option C: adds a 1x1 convolution with batch normalization to every identity shortcut."""
    for module in net.modules():
        if isinstance(module, BasicBlock) and module.downsample is None:
            channels = module.conv1.in_channels
            module.downsample = nn.Sequential(
                nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
    return net


def move_stride_to_first(net):
    """Moves the stride of bottlenecks to the first 1x1 convolution, as in the paper."""
    for module in net.modules():
        if isinstance(module, Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    return net


def remove_shortcuts(net):
    """Turns a residual network into the paper's plain network."""
    for module in net.modules():
        if isinstance(module, BasicBlock):
            module.__class__ = PlainBlock
            module.downsample = None
    return net


def vgg(name):
    """Builds torchvision's VGG without dropout, with a narrow classifier: 4096 units take 1 GB in float64."""
    net = torchvision.models.get_model(name, dropout=0.0)
    net.classifier[0] = nn.Linear(512 * 7 * 7, VGG_HIDDEN)
    net.classifier[3] = nn.Linear(VGG_HIDDEN, VGG_HIDDEN)
    net.classifier[6] = nn.Linear(VGG_HIDDEN, CLASSES)
    return net


VGG_HIDDEN = 16

CIFAR = {
    "resnet20": lambda shortcut: CifarResNet(3, shortcut),
    "plain20": lambda _: remove_shortcuts(CifarResNet(3, "B")),
    "preresnet20": lambda shortcut: PreActResNet(3, [3, 3], shortcut),
    "preresnet164": lambda shortcut: PreActResNet(18, [1, 3, 1], shortcut),
    "wrn16_2": lambda shortcut: PreActResNet(2, [3, 3], shortcut, widen_factor=2),
}


def build(arch, stem, shortcut, bottleneck_stride="3x3"):
    """Builds a network of `CLASSES` classes; `stem` is "cifar" or "imagenet", `shortcut` "A", "B", "C" or
    "none", `bottleneck_stride` "3x3" (torchvision's) or "1x1" (the paper's)."""
    if arch.startswith("vgg"):
        return vgg(arch)
    if arch in CIFAR:
        net = CIFAR[arch](shortcut)
        return add_projections(net) if shortcut == "C" else net
    net = torchvision.models.get_model(arch, num_classes=CLASSES)
    if stem == "cifar":
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    return move_stride_to_first(net) if bottleneck_stride == "1x1" else net
