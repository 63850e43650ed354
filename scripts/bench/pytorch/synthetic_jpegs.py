"""Creates an image folder of synthetic JPEGs in two classes.

    python synthetic_jpegs.py FOLDER COUNT

Smooth gradients with fine noise at quality 90 have about as many bytes per pixel as the photos of
ImageNet.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 500, 375


def synthetic_image(random):
    coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noise = random.normal(0, 6, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8))


folder, count = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(1)
for index in range(count):
    class_folder = folder / "train" / ("even", "odd")[index % 2]
    class_folder.mkdir(parents=True, exist_ok=True)
    synthetic_image(random).save(class_folder / f"{index:04}.jpg", quality=90)
