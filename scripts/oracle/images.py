"""Compares decoded and resized images with Pillow and torchvision.

    pip install pillow numpy
    cargo build --release -p residual-data --example pixels
    python scripts/oracle/images.py target/release/examples/pixels FOLDER...

Prints, for all JPEG and PNG files below the folders: the files that only one side can read, the share of
pixel values that differ by more than 1/255, and the largest difference, after decoding to RGB, to
grayscale, and after Resize(256) and CenterCrop(224). Resizing is compared on the pixels that residual
decoded, so that differences of the decoders are not counted twice. Images that are decoded at a smaller
scale (`transform.decodeShortSide`) are compared with full-size decoding. torchvision's transforms of PIL
images are Pillow's resize and crop, which are written out here.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def pillow(path):
    """Decodes an image with Pillow to RGB and grayscale, with the EXIF orientation applied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(path)
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: Pillow's convert clips instead of scaling
            image = Image.fromarray((np.asarray(image, np.int64) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB")), np.asarray(image.convert("L"))


def evaluation(rgb):
    """Applies torchvision's Resize(256), CenterCrop(224), ToTensor and Normalize; returns [224, 224, 3]."""
    image = Image.fromarray(rgb)
    width, height = image.size
    if width <= height:
        size = (256, int(256 * height / width))
    else:
        size = (int(256 * width / height), 256)
    image = image.resize(size, Image.BILINEAR)
    top, left = round((size[1] - 224) / 2.0), round((size[0] - 224) / 2.0)
    image = image.crop((left, top, left + 224, top + 224))
    values = np.asarray(image, np.float32) / np.float32(255)
    return (values - MEAN) / STD


def read_pixels(out, n, kind, channels):
    raw = np.fromfile(out / f"{n}.{kind}", np.uint8)
    width, height = raw[:8].view("<u4")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return raw[8:].reshape(shape)


class Difference:
    def __init__(self, name):
        self.name, self.values, self.count, self.max, self.worst = name, 0, 0, 0, None
        self.files, self.sum = 0, 0.0

    def add(self, path, a, b):
        if a.shape != b.shape:
            print(f"{path}: {self.name} has shape {a.shape}, Pillow's {b.shape}")
            return
        delta = np.abs(a.astype(np.float64) - b.astype(np.float64))
        self.files += 1
        self.values += delta.size
        self.sum += delta.sum()
        self.count += int((delta > 1).sum())
        if delta.max(initial=0) > self.max:
            self.max, self.worst = delta.max(), path
        if (delta > 1).mean() > 0.05:
            print(f"{path}: {self.name} differs by more than 1 in {(delta > 1).mean():.0%}")

    def __str__(self):
        share = self.count / max(self.values, 1)
        return (
            f"{self.name}: {self.files} files, {self.values} values, {share:.4%} differ by more than 1, "
            f"mean difference {self.sum / max(self.values, 1):.4f}, maximum {self.max:g} ({self.worst})"
        )


def main():
    program, *folders = sys.argv[1:]
    kinds = {".jpg", ".jpeg", ".png", ""}
    paths = sorted(
        path
        for folder in folders
        for path in Path(folder).rglob("*")
        if path.is_file() and path.suffix.lower() in kinds
    )
    names = ["decoded RGB", "decoded grayscale", "resized (of 255)", "scaled decoding, resized (of 255)"]
    rgb, gray, resized, reduced = map(Difference, names)
    with tempfile.TemporaryDirectory() as out:
        for n, path in enumerate(paths):
            subprocess.run([program, out, str(path)], check=True)
            error = Path(out) / "0.error"
            try:
                reference, failure = pillow(path), None
            except Exception as cause:  # Pillow raises many types for broken files
                reference, failure = None, f"{type(cause).__name__}: {cause}"
            if error.exists():
                if reference:
                    print(f"{path}: read by Pillow only; residual: {error.read_text()}")
                error.unlink()
                continue
            decoded = read_pixels(Path(out), 0, "rgb", 3)
            if failure:
                print(f"{path}: read by residual only; Pillow: {failure}")
            else:
                rgb.add(path, decoded, reference[0])
                gray.add(path, read_pixels(Path(out), 0, "gray", 1), reference[1])
            final = np.fromfile(Path(out) / "0.eval", "<f4").reshape(224, 224, 3)
            expected = evaluation(decoded) * STD * 255
            resized.add(path, final * STD * 255, expected)
            smaller = Path(out) / "0.reduced"
            if smaller.exists():
                final = np.fromfile(smaller, "<f4").reshape(224, 224, 3)
                reduced.add(path, final * STD * 255, expected)
                smaller.unlink()
    print(len(paths), "files")
    for difference in (rgb, gray, resized, reduced):
        print(difference)


main()
