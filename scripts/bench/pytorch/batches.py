"""torchvision in jpeg-folder: a folder of JPEGs to augmented, normalised batches, by a DataLoader
with as many workers as there are cores. A piece of work is a pass over the folder.

`way` is pillow (the notebook's: Pillow's decoder and resampling, then ToTensor) or v2 (decode_jpeg,
and torchvision.transforms.v2 on bytes until the very end).
"""

from pathlib import Path

import serve  # noqa: I001
import torch
from torch.utils.data import DataLoader
from torchvision import io, transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def decoded(path):
    return io.decode_jpeg(io.read_file(path), mode=io.ImageReadMode.RGB)


def main():
    config = serve.wanted()
    size = config["size"]
    if config["way"] == "pillow":
        way = {
            "transform": transforms.Compose(
                [
                    transforms.RandomResizedCrop(size),
                    transforms.RandomHorizontalFlip(),
                    transforms.ToTensor(),
                    transforms.Normalize(MEAN, STD),
                ]
            )
        }
    else:
        way = {
            "loader": decoded,
            "transform": v2.Compose(
                [
                    v2.RandomResizedCrop(size, antialias=True),
                    v2.RandomHorizontalFlip(),
                    v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(MEAN, STD),
                ]
            ),
        }
    root = Path(config["data"])
    data = ImageFolder(root / "train" if (root / "train").is_dir() else root, **way)
    loader = DataLoader(
        data,
        batch_size=config["batch"],
        shuffle=True,
        num_workers=config["workers"],
        persistent_workers=True,
    )

    def passes(count):
        seen = 0
        for _ in range(count):
            for images, _ in loader:
                seen += len(images)
        return seen

    serve.serve(passes, workers=config["workers"], images=len(data))


if __name__ == "__main__":
    main()
