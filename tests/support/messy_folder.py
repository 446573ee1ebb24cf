"""A folder that holds every kind of file that folders of photos hold in life."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from support.photo_files import encode, exif, folder_of_classes, photo, png_of, write


def messy_folder(root: Path) -> Path:
    """Two classes with 26 usable photos, 6 files that cannot be used, and what operating systems leave behind."""
    folder_of_classes(root, {"cat": 4, "dog": 4})
    grey = Image.fromarray(np.full((20, 20), 99, np.uint8))
    rgba = Image.new("RGBA", (20, 20), (9, 99, 9, 128))
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    files = {
        "cat/truncated.jpg": photo(50, 200, 150)[:800],
        "cat/empty.jpg": b"",
        "cat/text.jpg": b"a note, not a photo\n",
        "cat/notes.txt": b"taken in May\n",
        "cat/bomb.png": png_of(20_000, 20_000, 8, 0, b""),
        "cat/webp.webp": photo(51, format="WEBP"),
        "cat/webp_named.jpg": photo(52, format="WEBP"),
        "cat/cmyk.jpg": encode(Image.new("CMYK", (20, 20), (90, 10, 0, 0))),
        "cat/deep_grey.png": encode(np.full((20, 20), 40_000, np.uint16), "PNG"),
        "cat/deep_rgb.png": png_of(1, 1, 16, 2, b"\0" + struct.pack(">3H", 1, 2, 3)),
        "cat/grey.jpg": encode(grey),
        "cat/bits.png": encode(grey.convert("1"), "PNG"),
        "cat/alpha.png": encode(rgba, "PNG"),
        "cat/grey_alpha.png": encode(rgba.convert("LA"), "PNG"),
        "cat/one_frame.gif": encode(frames[0], "GIF"),
        "cat/animated.gif": encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "cat/cut_animation.gif": encode(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0)[:-40],
        "cat/rotated.jpg": photo(53, exif=exif(6)),
        "cat/iphone.HEIC": photo(54, format="HEIF"),
        "cat/no_ending": photo(55),
        "cat/._cat_0.jpg": b"\0\5\26\7 resource fork",
        "cat/.DS_Store": b"\0",
        "cat/Thumbs.db": b"\0",
        "cat/.thumbnails/small.jpg": photo(56),
        "cat/2019/may/deep.jpg": photo(57),
        "cat/copy.jpg": photo(0),
        "dog/copy.jpg": photo(0),
        "beside.jpg": photo(58),
        ".hidden/x.jpg": photo(59),
        "__MACOSX/cat/x.jpg": photo(60),
    }
    for path, data in files.items():
        write(root / path, data)
    return root
