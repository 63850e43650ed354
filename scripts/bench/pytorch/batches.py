"""torchvision in the case jpeg-folder: a DataLoader that turns a folder of JPEGs into augmented,
normalized batches. A unit of work is a pass over the folder.

`pipeline` is pillow (Pillow's decoder and resampling, then ToTensor) or v2 (decode_jpeg, and
torchvision.transforms.v2 on uint8 tensors).
"""

from pathlib import Path

import serve  # noqa: I001  first, because this import extends the module path
import torch
from torch.utils.data import DataLoader
from torchvision import io, transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def decode(path):
    return io.decode_jpeg(io.read_file(path), mode=io.ImageReadMode.RGB)


def main():
    config = serve.read_config()
    size = config["size"]
    if config["pipeline"] == "pillow":
        options = {
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
        options = {
            "loader": decode,
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
    data = ImageFolder(root / "train" if (root / "train").is_dir() else root, **options)
    loader = DataLoader(
        data,
        batch_size=config["batch"],
        shuffle=True,
        num_workers=config["workers"],
        persistent_workers=True,
    )

    def passes(count):
        num_images = 0
        for _ in range(count):
            for images, _ in loader:
                num_images += len(images)
        return num_images

    serve.serve(passes, workers=config["workers"], images=len(data))


if __name__ == "__main__":
    main()
