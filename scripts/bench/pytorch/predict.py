"""PyTorch in the cases infer-*: from a normalized tensor to logits. A unit of work is a batch."""

import serve  # noqa: I001  first, because this import extends the module path
import torch

import configuration

config = serve.read_config()
net = configuration.build(config).eval()
images = configuration.images(config)
if config.get("precision") == "bf16-weights":
    net, images = net.bfloat16(), images.bfloat16()
# inference_mode is faster, but a network frozen or compiled under no_grad requires no_grad.
needs_no_grad = config["eager"] or config.get("frozen") or config.get("compile")
mode = torch.no_grad if needs_no_grad else torch.inference_mode
autocast = configuration.autocast(config)
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
