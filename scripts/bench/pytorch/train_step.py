"""PyTorch in the cases train-*: forward pass, cross-entropy, backward pass, optimizer step and
reading the loss, on normalized images in memory. A unit of work is a step."""

import serve  # noqa: I001  first, because this import extends the module path
import torch
import torch.nn.functional as F

import configuration
import networks

config = serve.read_config()
device = config.get("device", "cpu")
if device == "cuda":
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(
        config.get("tf32")
    )
net = configuration.build(config, device).train()
images = configuration.images(config, device)
labels = torch.randint(networks.CLASSES, (config["batch"],), device=device)
optimizer = configuration.sgd(net, config)
autocast = configuration.autocast(config, device)
forward = torch.compile(net) if config.get("compile") else net


def step():
    optimizer.zero_grad()
    with autocast():
        loss = F.cross_entropy(forward(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def capture():
    """Captures the complete step as a CUDA graph, as in PyTorch's documentation."""
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


run_step = capture() if config.get("graph") else step


def steps(count):
    for _ in range(count):
        run_step().item()
    return count * len(images)


serve.serve(steps, device=torch.cuda.get_device_name() if device == "cuda" else device)
