"""The checks that every built APK passes, on files made here: what they accept, and what they refuse."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

import pytest

from mobilevit_tf.errors import UserError

sys.path.insert(0, str(Path(__file__).parents[2] / "android_demo"))

import apk_zip
import verify_apk

NATIVE = ["lib/arm64-v8a/liba.so", "lib/arm64-v8a/libbb.so"]
CLASSES = [f"Lorg/bytedeco/tensorflowlite/C{number};" for number in range(60)]


def elf(*alignments: int) -> bytes:
    """A 64-bit ELF header with one LOAD segment for each alignment, and the symbols of CLASSES' native methods."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, len(alignments) + 1)
    segments = [struct.pack("<II6Q", 1, 5, 0, 0, 0, 0, 0, side) for side in alignments]
    other = struct.pack("<II6Q", 2, 5, 0, 0, 0, 0, 0, 8)  # a DYNAMIC segment, which nobody maps
    symbols = b"".join(b"\0Java_" + name[1:-1].replace("/", "_").encode() + b"_get_1it" for name in CLASSES)
    return bytes(header) + b"".join(segments) + other + symbols + b"\0"


def apk(path: Path, library: bytes, dex: bytes, names: list[str] = NATIVE) -> Path:
    entries = [("odd", b"x" * 7, zipfile.ZIP_DEFLATED), ("assets/model.tflite", b"12345", zipfile.ZIP_STORED)]
    entries += [("classes.dex", dex, zipfile.ZIP_DEFLATED)]
    apk_zip.write_zip(path, entries + [(name, library, zipfile.ZIP_STORED) for name in names])
    return path


def check(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        verify_apk.verify_native(path.read_bytes(), archive, NATIVE)


def test_stored_contents_are_aligned_and_read_back(tmp_path):
    path = apk(tmp_path / "a.apk", elf(16384, 65536), "".join(CLASSES).encode())
    check(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.read("assets/model.tflite") == b"12345"
        offsets = [verify_apk.content_offset(path.read_bytes(), archive.getinfo(name)) for name in NATIVE]
        assert all(path.read_bytes()[offset : offset + 4] == b"\x7fELF" for offset in offsets)


@pytest.mark.parametrize("start", [0, 1, 3, 16377, 16378, 16384, 99999])
@pytest.mark.parametrize("alignment", [4, 16384])
def test_padding_is_one_well_formed_extra_field(start: int, alignment: int):
    extra = apk_zip.padding(start, alignment)
    tag, size, said = struct.unpack_from("<HHH", extra)
    assert (tag, size, said) == (0xD935, len(extra) - 4, alignment)
    assert (start + len(extra)) % alignment == 0 and len(extra) < alignment + 6


@pytest.mark.parametrize(
    ("library", "dex", "reason"),
    [
        (elf(4096), "".join(CLASSES), "LOAD segments of 16 KB"),
        (elf(), "".join(CLASSES), "LOAD segments of 16 KB"),
        (b"no library", "".join(CLASSES), "no 64-bit ELF file"),
        (elf(16384), "".join(CLASSES[1:]), "tensorflowlite/C0;"),
    ],
)
def test_a_library_that_does_not_fit_is_refused(tmp_path, library: bytes, dex: str, reason: str):
    with pytest.raises(UserError, match=reason):
        check(apk(tmp_path / "a.apk", library, dex.encode()))


def test_a_shifted_library_is_refused(tmp_path):
    path = tmp_path / "a.apk"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("classes.dex", "".join(CLASSES))
        for name in NATIVE:
            archive.writestr(name, elf(16384))
    with pytest.raises(UserError, match="multiples of 16 KB"):
        check(path)


def test_another_library_than_expected_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"native libraries lib/arm64-v8a/liba\.so"):
        check(apk(tmp_path / "a.apk", elf(16384), "".join(CLASSES).encode(), [*NATIVE, "lib/x86/libc.so"]))
