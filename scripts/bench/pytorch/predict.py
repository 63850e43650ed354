"""PyTorch in inference: from a normalised tensor to logits. A piece of work is a batch."""

import serve  # noqa: I001  first, for it says where the networks are
import torch

import usage

config = serve.wanted()
net = usage.build(config).eval()
images = usage.images(config)
if config.get("precision") == "bf16-weights":
    net, images = net.bfloat16(), images.bfloat16()
# The notebook says no_grad; inference_mode leaves out a little more, but a frozen or compiled network,
# which was made under no_grad, must be used so.
plain = config["notebook"] or config.get("frozen") or config.get("compile")
mode = torch.no_grad if plain else torch.inference_mode
autocast = usage.autocast(config)
if config.get("compile"):
    torch._inductor.config.freezing = True
    net = torch.compile(net)
if config.get("frozen"):
    with torch.no_grad(), autocast():
        net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, images)))


def batches(count):
    with mode():
        for _ in range(count):
            with autocast():
                net(images)
    return count * len(images)


serve.serve(batches)
