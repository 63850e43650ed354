"""Options of a PyTorch configuration, selected by scripts/bench/pytorch-configs.mjs:

layout      nchw, or nhwc (channels_last weights and inputs)
precision   fp32, bf16 (autocast), or bf16-weights (inference only)
fused       SGD(fused=True); otherwise SGD on the CPU updates one tensor after the other
compile     torch.compile
graph       CUDA graph of the complete step (training on a GPU only)
frozen      traced, frozen and optimized by TorchScript, which folds normalization (inference only)
"""

from contextlib import nullcontext

import torch

import networks


def build(config, device="cpu"):
    """Builds the network on a device, in the layout of the configuration."""
    torch.manual_seed(1)
    shortcut = "A" if config["stem"] == "cifar" and config["net"] in networks.CIFAR else "B"
    net = networks.build(config["net"], stem=config["stem"], shortcut=shortcut)
    return to_layout(net.to(device), config)


def images(config, device="cpu"):
    size = config["size"]
    return to_layout(torch.randn(config["batch"], 3, size, size, device=device), config)


def to_layout(module_or_tensor, config):
    if config.get("layout") == "nhwc":
        return module_or_tensor.to(memory_format=torch.channels_last)
    return module_or_tensor


def autocast(config, device="cpu"):
    """Returns a function that creates the context of a forward pass."""
    if config.get("precision") == "bf16":
        # Cached casts from before the capture would not be recomputed in a replay.
        cache = not config.get("graph")
        return lambda: torch.autocast(device, dtype=torch.bfloat16, cache_enabled=cache)
    return nullcontext


def sgd(net, config, lr=0.1):
    fused = {"fused": True} if config.get("fused") else {}
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4, **fused)
