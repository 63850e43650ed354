"""PyTorch in train-step: forward, cross-entropy, backward, update, reading the loss, on images that
are in memory, normalised. A piece of work is a step."""

import serve  # noqa: I001  first, for it says where the networks are
import torch
import torch.nn.functional as F

import networks
import usage

config = serve.wanted()
device = config.get("device", "cpu")
if device == "cuda":
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(
        config.get("tf32")
    )
net = usage.build(config, device).train()
images = usage.images(config, device)
labels = torch.randint(networks.CLASSES, (config["batch"],), device=device)
optimizer = usage.sgd(net, config)
autocast = usage.autocast(config, device)
forward = torch.compile(net) if config.get("compile") else net


def step():
    optimizer.zero_grad()
    with autocast():
        loss = F.cross_entropy(forward(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def captured():
    """The same as a CUDA graph, as PyTorch's documentation captures a whole network."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def replay():
        graph.replay()
        return loss

    return replay


one = captured() if config.get("graph") else step


def steps(count):
    for _ in range(count):
        one().item()
    return count * len(images)


serve.serve(steps, device=torch.cuda.get_device_name() if device == "cuda" else device)
