"""Checks a finished APK with the platform's own tools: `make apk` leaves nothing that has not passed this."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

from mobilevit_tf.errors import UserError

LAUNCHED = "dev.mobilevit.demo.MainActivity"
MODEL = "assets/model.tflite"
NATIVE = ("lib/arm64-v8a/libtensorflowlite_jni.so", "lib/x86_64/libtensorflowlite_jni.so")


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


def verify(apk: Path, model: bytes) -> None:
    """Raises UserError unless signature, alignment, contents and manifest are as they must be.

    Args:
      apk: the signed file.
      model: bytes that its model must equal.
    """
    # From API 21 on, so that the JAR signature (v1) is looked at too.
    signatures = output("apksigner", "verify", "--verbose", "--min-sdk-version", "21", apk)
    for scheme in ("v1", "v2", "v3"):
        expect(re.search(rf"Verified using {scheme} scheme .*: true", signatures) is not None, f"signature {scheme}")
    output("zipalign", "-c", "-p", "4", apk)
    expect(True, "alignment: 4 bytes, native libraries to pages")
    with zipfile.ZipFile(apk) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        expect(MODEL in entries and entries[MODEL].compress_type == zipfile.ZIP_STORED, "model stored uncompressed")
        expect(archive.read(MODEL) == model, "model equal to the given file, byte for byte")
        stored = all(name in entries and entries[name].compress_type == zipfile.ZIP_STORED for name in NATIVE)
        expect(stored, "native libraries for arm64-v8a and x86_64, stored")
        samples = [name for name in entries if re.fullmatch(r"assets/samples/.+\.jpg", name)]
        expect(
            len(samples) >= 1 and "assets/samples/CREDITS.md" in entries, f"{len(samples)} sample photos and credits"
        )
        expect(b"Ldev/mobilevit/demo/MainActivity;" in archive.read("classes.dex"), "the app's classes in the dex file")
    badging = output("aapt2", "dump", "badging", apk)
    expect(f"launchable-activity: name='{LAUNCHED}'" in badging, f"launchable activity {LAUNCHED}")
    expect("uses-permission" not in badging, "no permission")
    expect("sdkVersion:'24'" in badging and "targetSdkVersion:'36'" in badging, "minSdk 24, targetSdk 36")
