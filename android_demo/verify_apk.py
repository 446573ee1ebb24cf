"""Checks a finished APK with the platform's own tools: `make apk` leaves nothing that has not passed this."""

from __future__ import annotations

import re
import struct
import subprocess
import zipfile
from pathlib import Path

from apk_zip import PAGE

from mobilevit_tf.errors import UserError

LAUNCHED = "dev.mobilevit.demo.MainActivity"
PERMISSION = "android.permission.CAMERA"
MODEL = "assets/model.tflite"
LARGEST = 15 * 2**20  # bytes, with one processor's libraries


def output(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the APK does not pass {command[0]}: {(done.stderr or done.stdout).strip()[:300]}")
    return done.stdout


def expect(holds: bool, what: str) -> None:
    """Prints what was checked, or raises UserError saying that it does not hold."""
    if not holds:
        raise UserError(f"the APK fails its check: expected {what}")
    print(f"  checked: {what}")


def content_offset(apk: bytes, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of `entry` begin in the file, from its local header."""
    name, extra = struct.unpack_from("<HH", apk, entry.header_offset + 26)
    return entry.header_offset + zipfile.sizeFileHeader + name + extra


def load_alignments(library: bytes) -> list[int]:
    """Alignment of every LOAD segment of a 64-bit little-endian ELF file (its program headers, p_align)."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise UserError("the APK fails its check: a native library is no 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    headers = [struct.unpack_from("<II6Q", library, table + size * index) for index in range(count)]
    return [header[-1] for header in headers if header[0] == 1]


def native_classes(library: bytes) -> set[bytes]:
    """Descriptors of the Java classes whose native methods the library exports (JNI's names of symbols, undone)."""
    symbols = re.findall(rb"\0Java_(org_bytedeco_\w+)(?=\0)", library)
    names = {symbol.replace(b"_1", b"\1").split(b"__")[0] for symbol in symbols}  # behind "__" is the signature
    paths = {name.replace(b"_00024", b"$").replace(b"_", b"/") for name in names}
    return {b"L" + path.rpartition(b"/")[0].replace(b"\1", b"_") + b";" for path in paths}


def verify_native(apk: bytes, archive: zipfile.ZipFile, native: list[str]) -> None:
    """Raises UserError unless the libraries are those in `native`, stored, and aligned to 16 KB inside and outside."""
    entries = {info.filename: info for info in archive.infolist()}
    found = sorted(name for name in entries if name.endswith(".so"))
    expect(found == sorted(native), f"native libraries {', '.join(native)}")
    aligned = all(
        entries[name].compress_type == zipfile.ZIP_STORED and content_offset(apk, entries[name]) % PAGE == 0
        for name in native
    )
    expect(aligned, "native libraries stored, at multiples of 16 KB in the signed file")
    segments = [side for name in native for side in load_alignments(archive.read(name))]
    expect(bool(segments) and all(side % PAGE == 0 for side in segments), f"{len(segments)} LOAD segments of 16 KB")
    stored = [info for info in archive.infolist() if info.compress_type == zipfile.ZIP_STORED]
    expect(all(content_offset(apk, info) % 4 == 0 for info in stored), "all that is stored at multiples of 4 bytes")
    called = set().union(*(native_classes(archive.read(name)) for name in native))
    dex = archive.read("classes.dex")
    missing = sorted(name.decode() for name in called if name not in dex)
    expect(len(called) > 50 and not missing, f"{len(called)} classes with native methods, {missing or 'none'} missing")


def verify(apk: Path, model: bytes, native: list[str]) -> None:
    """Raises UserError unless signature, alignment, contents and manifest are as they must be.

    Args:
      apk: the signed file.
      model: bytes that its model must equal.
      native: names of the libraries that it must hold.
    """
    # From API 21 on, so that the JAR signature (v1) is looked at too.
    signatures = output("apksigner", "verify", "--verbose", "--min-sdk-version", "21", apk)
    for scheme in ("v1", "v2", "v3"):
        expect(re.search(rf"Verified using {scheme} scheme .*: true", signatures) is not None, f"signature {scheme}")
    with zipfile.ZipFile(apk) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        expect(MODEL in entries and entries[MODEL].compress_type == zipfile.ZIP_STORED, "model stored uncompressed")
        expect(archive.read(MODEL) == model, "model equal to the given file, byte for byte")
        verify_native(apk.read_bytes(), archive, native)
        samples = [name for name in entries if re.fullmatch(r"assets/samples/.+\.jpg", name)]
        expect(
            len(samples) >= 1 and "assets/samples/CREDITS.md" in entries, f"{len(samples)} sample photos and credits"
        )
        expect(b"Ldev/mobilevit/demo/MainActivity;" in archive.read("classes.dex"), "the app's classes in the dex file")
    if len({name.split("/")[1] for name in native}) == 1:
        expect(apk.stat().st_size <= LARGEST, "at most 15 MB")
    badging = output("aapt2", "dump", "badging", apk)
    expect(f"launchable-activity: name='{LAUNCHED}'" in badging, f"launchable activity {LAUNCHED}")
    permissions = re.findall(r"uses-permission[^:]*: name='([^']+)'", badging)
    expect(permissions == [PERMISSION], f"no permission but {PERMISSION}")
    needed = re.findall(r"uses-feature: name='(android\.hardware\.camera[^']*)'", badging)
    expect(not needed, "no camera needed to install it")
    expect("sdkVersion:'24'" in badging and "targetSdkVersion:'36'" in badging, "minSdk 24, targetSdk 36")
