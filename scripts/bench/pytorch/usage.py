"""The ways in which PyTorch is used, as scripts/bench/candidates.mjs names them:

layout      nchw, or nhwc (channels_last weights and input)
precision   fp32, bf16 (autocast), or, of inference, bf16-weights
fused       SGD(fused=True): without, SGD on a CPU updates one tensor after another
compile     torch.compile
graph       of training, on a GPU: the whole step as a CUDA graph
frozen      of inference: traced, frozen and optimised by TorchScript, which folds normalisation
"""

from contextlib import nullcontext

import torch

import networks


def build(config, device="cpu"):
    """The network, on its device and in its layout."""
    torch.manual_seed(1)
    shortcut = "A" if config["stem"] == "cifar" and config["net"] in networks.CIFAR else "B"
    net = networks.build(config["net"], stem=config["stem"], shortcut=shortcut)
    return laid_out(net.to(device), config)


def images(config, device="cpu"):
    size = config["size"]
    return laid_out(torch.randn(config["batch"], 3, size, size, device=device), config)


def laid_out(what, config):
    if config.get("layout") == "nhwc":
        return what.to(memory_format=torch.channels_last)
    return what


def autocast(config, device="cpu"):
    """What a forward pass happens in, made anew each time."""
    if config.get("precision") == "bf16":
        # A cast that is kept would be one from before a graph.
        kept = not config.get("graph")
        return lambda: torch.autocast(device, dtype=torch.bfloat16, cache_enabled=kept)
    return nullcontext


def sgd(net, config, lr=0.1):
    fused = {"fused": True} if config.get("fused") else {}
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4, **fused)
