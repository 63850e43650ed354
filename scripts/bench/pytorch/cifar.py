"""CIFAR's binary files as torchvision's CIFAR10 gives its pickles: Pillow images, one by one."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

RECORD = 1 + 3 * 32 * 32


def read(folder):
    """Every training image [n, 32, 32, 3] and label [n]."""
    files = sorted(Path(folder).glob("data_batch_*.bin"))
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, RECORD) for file in files])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64)


class Cifar(Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])
