"""Reads CIFAR's binary files as a Dataset of Pillow images, like torchvision's CIFAR10."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

RECORD = 1 + 3 * 32 * 32


def read(folder):
    """Returns all training images [n, 32, 32, 3] and labels [n]."""
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
