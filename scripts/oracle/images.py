"""Compares decoded and resized images with Pillow and torchvision.

    pip install pillow numpy
    cargo build --release -p residual-data --example pixels
    python scripts/oracle/images.py target/release/examples/pixels FOLDER...

Reads all JPEG and PNG files below the folders. Prints the files that only residual or only Pillow can
read, and statistics of the differences after decoding to RGB, after decoding to grayscale, and after
Resize(256) and CenterCrop(224): the share of pixel values that differ by more than 1/255, the mean and
the maximum. Resizing is compared on the pixels that residual decoded, so that differences of the decoders
are not counted twice. Images that are decoded at a smaller scale (`transform.decodeShortSide`) are
compared with full-size decoding. torchvision transforms PIL images with Pillow's resize and crop, which
are called directly here.
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


def decode_with_pillow(path):
    """Decodes an image with Pillow to RGB and grayscale, with the EXIF orientation applied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(path)
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: Pillow's convert clips instead of scaling
            image = Image.fromarray((np.asarray(image, np.int64) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB")), np.asarray(image.convert("L"))


def evaluation_transform(rgb):
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


def read_pixels(file, channels):
    """Reads an output file of the `pixels` example; returns [height, width] or [height, width, channels]."""
    data = np.fromfile(file, np.uint8)
    width, height = data[:8].view("<u4")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return data[8:].reshape(shape)


class DifferenceStatistics:
    """Differences between residual's values and Pillow's, over many files."""

    def __init__(self, name):
        self.name, self.num_files, self.num_values, self.num_different = name, 0, 0, 0
        self.sum, self.max, self.max_path = 0.0, 0, None

    def add(self, path, found, expected):
        if found.shape != expected.shape:
            print(f"{path}: {self.name} has shape {found.shape}, Pillow's {expected.shape}")
            return
        delta = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        self.num_files += 1
        self.num_values += delta.size
        self.sum += delta.sum()
        self.num_different += int((delta > 1).sum())
        if delta.max(initial=0) > self.max:
            self.max, self.max_path = delta.max(), path
        if (delta > 1).mean() > 0.05:
            print(f"{path}: {self.name} differs by more than 1 in {(delta > 1).mean():.0%}")

    def __str__(self):
        share = self.num_different / max(self.num_values, 1)
        mean = self.sum / max(self.num_values, 1)
        return (
            f"{self.name}: {self.num_files} files, {self.num_values} values, "
            f"{share:.4%} differ by more than 1, mean difference {mean:.4f}, "
            f"maximum {self.max:g} ({self.max_path})"
        )


def main():
    program, *folders = sys.argv[1:]
    suffixes = {".jpg", ".jpeg", ".png", ""}
    paths = sorted(
        path
        for folder in folders
        for path in Path(folder).rglob("*")
        if path.is_file() and path.suffix.lower() in suffixes
    )
    names = ["decoded RGB", "decoded grayscale", "resized (of 255)", "scaled decoding, resized (of 255)"]
    rgb, gray, resized, reduced = map(DifferenceStatistics, names)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for path in paths:
            subprocess.run([program, folder, str(path)], check=True)
            error = out / "0.error"
            try:
                reference, failure = decode_with_pillow(path), None
            except Exception as cause:  # Pillow raises many types for broken files
                reference, failure = None, f"{type(cause).__name__}: {cause}"
            if error.exists():
                if reference:
                    print(f"{path}: read by Pillow only; residual: {error.read_text()}")
                error.unlink()
                continue
            decoded = read_pixels(out / "0.rgb", 3)
            if failure:
                print(f"{path}: read by residual only; Pillow: {failure}")
            else:
                rgb.add(path, decoded, reference[0])
                gray.add(path, read_pixels(out / "0.gray", 1), reference[1])
            transformed = np.fromfile(out / "0.eval", "<f4").reshape(224, 224, 3)
            expected = evaluation_transform(decoded) * STD * 255
            resized.add(path, transformed * STD * 255, expected)
            reduced_file = out / "0.reduced"
            if reduced_file.exists():
                transformed = np.fromfile(reduced_file, "<f4").reshape(224, 224, 3)
                reduced.add(path, transformed * STD * 255, expected)
                reduced_file.unlink()
    print(len(paths), "files")
    for statistics in (rgb, gray, resized, reduced):
        print(statistics)


main()
