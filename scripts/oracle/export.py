"""Loads an exported .safetensors file into torchvision's model with strict=True, and compares the model
with an exported ONNX file.

    pip install safetensors
    $(node scripts/oracle/venv.mjs) scripts/oracle/export.py RESNET18.safetensors [X.onnx]

The network must be one that torchvision has, with the ImageNet stem (`model.stem=imagenet`). The ONNX
file is of the same network, exported without options, and requires `pip install onnxruntime`; the largest
difference of the logits is printed.
"""

import json
import struct
import sys

import torch
from torchvision import models


def read(path):
    """Reads metadata and tensors of a safetensors file, independently of the safetensors library."""
    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__")
    return metadata, {
        name: torch.frombuffer(
            data, dtype=types[t["dtype"]], count=max(1, torch.Size(t["shape"]).numel()),
            offset=t["data_offsets"][0],
        ).reshape(t["shape"]).clone()
        for name, t in header.items()
    }


metadata, tensors = read(sys.argv[1])
classes = json.loads(metadata["classes"])
net = models.get_model(metadata["arch"], num_classes=len(classes))
channels, size = int(metadata["channels"]), int(metadata["imageSize"])
if channels != 3:
    net.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
print(net.load_state_dict(tensors, strict=True), f"{len(tensors)} entries, strict=True")

if len(sys.argv) > 2:
    import onnxruntime

    net.eval()
    session = onnxruntime.InferenceSession(sys.argv[2])
    for batch in (1, 3):
        images = torch.randn(batch, channels, size, size)
        with torch.no_grad():
            expected = net(images)
        (logits,) = session.run(None, {"images": images.numpy()})
        difference = abs(expected.numpy() - logits).max()
        print(f"batch {batch}: logits up to {expected.abs().max():.3g}, difference up to {difference:.2e}")
