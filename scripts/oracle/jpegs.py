"""Compares residual's JPEG decoder with Pillow on random files of every kind.

    apt-get install libjpeg-turbo-progs
    pip install pillow numpy
    cargo build --release -p residual-data --example pixels
    python scripts/oracle/jpegs.py target/release/examples/pixels [NUM_IMAGES] [SEED]

Each random image is encoded with random size, quality and subsampling (cjpeg, Pillow), transcoded to other
kinds of scans (jpegtran), and edited (segments, markers, bytes). Decoded pixels must equal Pillow's, unless
libjpeg-turbo's own SIMD and scalar code differ, because values overflow 16 bits, which occurs only in damaged
files. Files may be refused only if their kind is in REFUSED_KINDS. Exits with status 1 after a difference.
"""

import io
import os
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Kinds that Pillow reads and residual refuses: coding that is not supported, and incomplete data.
REFUSED_KINDS = {"arithmetic", "incomplete progressive"}
SAMPLINGS = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3",
             "1x1,2x2,2x2", "2x2,2x1,1x2", "2x1,1x1,2x1", "1x2,1x2,1x1", "1x1,1x1,2x1"]  # fmt: skip


def random_image(rng):
    """Draws an image of random size: smooth colors with noise."""
    width, height = (int(side) for side in rng.integers(1, 90, 2))
    y, x = np.mgrid[0:height, 0:width]
    frequencies = rng.uniform(1, 30, (3, 2))
    waves = [127 + 120 * np.sin(x / fx) * np.cos(y / fy) for fx, fy in frequencies]
    noise = rng.normal(0, rng.choice([0, 3, 60]), (height, width, 3))
    return Image.fromarray((np.stack(waves, -1) + noise).clip(0, 255).astype(np.uint8))


def run(*command, data):
    """Runs a command with data on stdin. Returns its stdout."""
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def encode(rng, image):
    """Encodes an image as a baseline file. Returns the number of components and the file."""
    quality = int(rng.choice([1, 10, 50, 75, 90, 100]))
    form = rng.choice(["color", "gray", "cmyk", "rgb"], p=[0.7, 0.1, 0.1, 0.1])
    buffer = io.BytesIO()
    if form == "cmyk":
        image.convert("CMYK").save(buffer, "JPEG", quality=quality)
        return 4, buffer.getvalue()
    if form == "color" and rng.random() < 0.2:
        tables = [[int(value) for value in rng.integers(1, 2000, 64)] for _ in range(2)]
        image.save(buffer, "JPEG", qtables=tables, subsampling=int(rng.integers(0, 3)))
        return 3, buffer.getvalue()
    if form == "gray":
        image.convert("L").save(buffer, "JPEG", quality=quality)
        return 1, buffer.getvalue()
    image.save(buffer, "PPM")
    options = ["-rgb"] if form == "rgb" else ["-sample", rng.choice(SAMPLINGS)]
    if rng.random() < 0.3:
        options += ["-dct", "float"]
    return 3, run("cjpeg", "-quality", str(quality), *options, data=buffer.getvalue())


def draw_sequential_script(rng, components):
    """Draws the scans of a sequential file: groups of components in the order of the frame."""
    groups, start = [], 0
    while start < components:
        end = int(rng.integers(start + 1, components + 1))
        groups.append(" ".join(map(str, range(start, end))))
        start = end
    rng.shuffle(groups)
    return "".join(f"{group};\n" for group in groups)


def draw_progressive_script(rng, components):
    """Draws complete progressive scans."""
    scans = []
    low = int(rng.integers(0, 3))
    all_components = list(range(components))
    separate = rng.random() < 0.5
    dc_groups = [[c] for c in all_components] if separate else [all_components]
    scans += [(group, 0, 0, 0, low) for group in dc_groups]
    scans += [(group, 0, 0, bit, bit - 1) for bit in range(low, 0, -1) for group in dc_groups]
    for component in all_components:
        cuts = sorted({int(cut) for cut in rng.integers(2, 64, rng.integers(0, 4))})
        for first, end in zip([1, *cuts], [*cuts, 64]):
            low = int(rng.integers(0, 4))
            scans.append(([component], first, end - 1, 0, low))
            scans += [([component], first, end - 1, bit, bit - 1) for bit in range(low, 0, -1)]
    return "".join(f"{' '.join(map(str, g))}: {a}-{b}, {h}, {l};\n" for g, a, b, h, l in scans)


def transcode(folder, data, *options, script=None):
    """Transcodes a file losslessly with jpegtran, optionally to the scans of a script."""
    if script is not None:
        (folder / "scans").write_text(script)
        options += ("-scans", str(folder / "scans"))
    return run("jpegtran", "-copy", "all", *options, data=data)


def split_segments(data):
    """Splits a file into segments [marker, content, coded data]."""
    segments, at = [], 2
    while data[at + 1] != 0xD9:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        end = at + 2 + length
        next_marker = end
        if marker == 0xDA:
            while data[next_marker] != 0xFF or data[next_marker + 1] in {0, *range(0xD0, 0xD8)}:
                next_marker += 1
        segments.append([marker, data[at + 4 : end], data[end:next_marker]])
        at = next_marker
    return segments


def join_segments(segments, before_marker=b"", before_end=b""):
    """Joins segments to a file, with bytes inserted before each marker but the first, and before EOI."""
    parts = [
        before_marker + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + coded
        for marker, content, coded in segments
    ]
    # SOI is followed by a marker.
    return b"\xff\xd8" + b"".join(parts)[len(before_marker) :] + before_end + b"\xff\xd9"


def widen_tables(content):
    """Returns the content of a DQT segment with 16-bit values."""
    tables = [content[at : at + 65] for at in range(0, len(content), 65)] if content[0] < 16 else []
    if any(table[0] >= 16 for table in tables):
        return content
    wide = [bytes([table[0] | 0x10]) + b"".join(bytes([0, v]) for v in table[1:]) for table in tables]
    return b"".join(wide) or content


def edit_segments(rng, data, components):
    """Edits the segments of a file in ways that Pillow accepts. Yields kinds and files."""
    segments = split_segments(data)
    applications = range(0xE0, 0xF0)
    bare = [segment for segment in segments if segment[0] not in applications]
    yield "no application segments", join_segments(bare)
    for transform in [0, 1, 2, 7]:
        adobe = [0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]), b""]
        yield f"Adobe transform {transform}", join_segments([adobe, *bare])
    yield "short Adobe segment", join_segments([[0xEE, b"Adobe\0\x64", b""], *segments])
    yield "fill bytes", join_segments(segments, before_marker=b"\xff" * int(rng.integers(1, 4)))
    yield "bytes between segments", join_segments(
        [[m, c, d + (b"\0\1\xff\0\2" if m not in {0xDA, 0xD8} else b"")] for m, c, d in segments]
    )
    random_bytes = bytes(rng.integers(0, 255, 9, np.uint8))
    yield "bytes before the end", join_segments(segments, before_end=random_bytes)
    yield "restart marker before the end", join_segments(segments, before_end=b"\xff\xd0")
    scan = next(i for i, segment in enumerate(segments) if segment[0] == 0xDA)
    dnl = [0xDC, b"\0\7", b""]
    yield "DNL", join_segments([*segments[: scan + 1], dnl, *segments[scan + 1 :]])
    table = [0xDB, b"\0" + bytes(rng.integers(1, 30, 64, np.uint8)), b""]
    with_table = [*segments[: scan + 1], table, *segments[scan + 1 :]]
    yield "quantization table between scans", join_segments(with_table)
    wide = [[m, widen_tables(c) if m == 0xDB else c, d] for m, c, d in segments]
    yield "16-bit quantization tables", join_segments(wide)
    ids = dict(zip(range(1, 5), b"RGBK"))
    renamed = []
    for marker, content, coded in bare:
        content = bytearray(content)
        positions = range(6, len(content), 3) if marker in range(0xC0, 0xC3) else ()
        if marker == 0xDA:
            positions = range(1, 1 + 2 * content[0], 2)
        for position in positions:
            content[position] = ids.get(content[position], content[position])
        renamed.append([marker, bytes(content), coded])
    yield "components R, G, B", join_segments(renamed)
    if segments[scan][1][0] == components > 1 and any(segment[0] == 0xC2 for segment in segments):
        scans = [i for i, segment in enumerate(segments) if segment[0] == 0xDA]
        if len(scans) > 2:
            yield "incomplete progressive", join_segments(segments[: int(rng.choice(scans[1:]))])


def damage_scan(rng, data):
    """Damages the coded data of a file. Yields kinds and files."""
    start = data.rindex(b"\xff\xda") + 14
    if len(data) > start + 8:
        cut = int(rng.integers(start, len(data) - 2))
        yield "truncated", data[:cut]
        yield "damaged", data[:cut] + b"\xff\xd9"
        position = int(rng.integers(start, len(data) - 2))
        if data[position] not in {0, 0xFF} and data[position - 1] != 0xFF:
            flipped = bytearray(data)
            flipped[position] ^= 1 << int(rng.integers(0, 7))
            if flipped[position] != 0xFF:
                yield "damaged", bytes(flipped)


def generate_files(rng, folder):
    """Yields kinds and files for one random image."""
    components, baseline = encode(rng, random_image(rng))
    restart = str(int(rng.integers(1, 9))) + rng.choice(["", "B"])
    files = {
        "baseline": baseline,
        "optimized": transcode(folder, baseline, "-optimize"),
        "restarts": transcode(folder, baseline, "-restart", restart),
        "progressive": transcode(folder, baseline, "-progressive"),
        "progressive, restarts": transcode(folder, baseline, "-progressive", "-restart", restart),
        "arithmetic": transcode(folder, baseline, "-arithmetic"),
    }
    sequential = draw_sequential_script(rng, components)
    progressive = draw_progressive_script(rng, components)
    for name, script in [("sequential scans", sequential), ("progressive scans", progressive)]:
        try:
            files[name] = transcode(folder, baseline, script=script)
            files[f"{name}, restarts"] = transcode(folder, baseline, "-restart", restart, script=script)
        except subprocess.CalledProcessError:
            pass  # too many blocks in an MCU
    for kind, data in files.items():
        yield kind, data
        if kind != "arithmetic":
            yield from edit_segments(rng, data, components)
            yield from damage_scan(rng, data)


def decode_with_pillow(data):
    """Decodes a file to RGB with the orientation applied. Returns None if Pillow refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
        except Exception:  # Pillow raises many types for broken files
            return None


SCALAR_DECODER = """
import sys
from PIL import Image
sys.stdout.buffer.write(Image.open(sys.argv[1]).convert("RGB").tobytes())
"""


def overflows_int16(path, expected):
    """Returns whether 16-bit values overflow: libjpeg-turbo's scalar code gives other pixels than SIMD."""
    command = [sys.executable, "-W", "ignore", "-c", SCALAR_DECODER, str(path)]
    environment = {**os.environ, "JSIMD_FORCENONE": "1"}
    scalar = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    return scalar != expected.tobytes()


def main():
    program = sys.argv[1]
    num_images = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    counts, failures = Counter(), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for image in range(num_images):
            rng = np.random.default_rng([seed, image])
            files = list(generate_files(rng, folder))
            paths = [folder / f"{i}.jpg" for i in range(len(files))]
            for path, (_, data) in zip(paths, files):
                path.write_bytes(data)
            subprocess.run([program, name, *map(str, paths)], check=True)
            for i, (kind, data) in enumerate(files):
                expected, error = decode_with_pillow(data), folder / f"{i}.error"
                if error.exists():
                    outcome = "refused by both" if expected is None else "read by Pillow only"
                    is_failure = expected is not None and kind not in REFUSED_KINDS
                    error.unlink()
                else:
                    output = (folder / f"{i}.rgb").read_bytes()
                    width, height = struct.unpack_from("<II", output)
                    pixels = np.frombuffer(output[8:], np.uint8).reshape(height, width, 3)
                    is_equal = expected is not None and np.array_equal(pixels, expected)
                    outcome = "equal" if is_equal else "different"
                    outcome = "read by residual only" if expected is None else outcome
                    is_failure = not is_equal
                    if outcome == "different" and overflows_int16(paths[i], expected):
                        outcome, is_failure = "overflow", False
                counts[kind, outcome] += 1
                if is_failure:
                    failures[kind, outcome] += 1
                    Path(f"failure-{seed}-{image}-{i}.jpg").write_bytes(data)
                    print(f"{kind}: {outcome}: failure-{seed}-{image}-{i}.jpg")
    for (kind, outcome), count in sorted(counts.items()):
        mark = "  FAILURE" if failures[kind, outcome] else ""
        print(f"{count:6} {kind}: {outcome}{mark}")
    sys.exit(bool(failures))


main()
