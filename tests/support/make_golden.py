"""Makes the golden vectors that Python and the app's Kotlin both check: `python tests/support/make_golden.py`.

tests/golden/ holds small files only. Large pictures are drawn from a formula (`synthetic`) that both languages repeat;
results are stored as SHA-256 of their bytes. `tests/image/test_golden.py` and android_demo/jvm_tests read them.
"""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from mobilevit_tf.files import sha256, write_atomic, write_json
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import RESIZE_FILTERS, ImageSpec

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
MODEL = ROOT / "models" / "flowers_xxs_int8.tflite"
EXAMPLES = ROOT / "examples"

# (width, height, kind), each resized under every one of SPECS.
PICTURES = (
    (64, 64, "noise"), (317, 211, "noise"), (203, 411, "noise"), (1, 1, "noise"), (997, 1, "noise"), (1, 803, "noise"),
    (1501, 3, "noise"), (300, 200, "grey"), (640, 480, "ramp"), (4000, 3000, "noise"),
)  # fmt: skip
SPECS = (
    ImageSpec(),
    ImageSpec(96, 64, crop_fraction=0.875),
    ImageSpec(77, 130, "bicubic", 0.9),
    ImageSpec(64, 64, crop_fraction=1.0, color_order="BGR"),
    ImageSpec(32, 317, "bicubic", 1.0),
)
NORMALIZED = (
    ImageSpec(2, 2),
    ImageSpec(2, 2, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    ImageSpec(2, 2, range=(-1.0, 1.0), color_order="BGR"),
)
DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description tiff:Orientation%s/></x:xmpmeta>"
PHOTO_SPEC = ImageSpec(24, 32, crop_fraction=0.9)


def synthetic(width: int, height: int, kind: str) -> np.ndarray:
    """uint8 [height, width, 3] from a formula in 32-bit integers: "noise", "grey" (equal channels) or "ramp"."""
    y, x, channel = np.indices((height, width, 3), dtype=np.uint32)
    if kind == "ramp":
        return (x * 3 + y * 2 + channel * 70).astype(np.uint8)
    value = (y * width + x) * 3 + (channel if kind == "noise" else 0)
    value = value * np.uint32(0x9E3779B1)
    value = (value ^ (value >> 15)) * np.uint32(0x2C1B3C6D)
    return ((value ^ (value >> 12)) >> 24).astype(np.uint8)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resize_cases() -> list[dict]:
    """Every picture under every spec: and 60 random pairs: the hash of the model's input."""
    pairs = [(picture, spec) for picture in PICTURES for spec in SPECS]
    random = np.random.default_rng(11)
    for _ in range(60):
        width, height, out_height, out_width = (int(side) for side in random.integers(1, 240, 4))
        resize = str(random.choice(RESIZE_FILTERS))
        pairs.append(((width, height, "noise"), ImageSpec(out_height, out_width, resize, random.uniform(0.1, 1))))
    cases = []
    for (width, height, kind), spec in pairs:
        image = Image.fromarray(synthetic(width, height, kind))
        size = {"width": width, "height": height, "kind": kind}
        cases.append(size | {"spec": spec.to_json(), "sha256": digest(pixels.resize(image, spec))})
    return cases


def crop_cases() -> list[list]:
    """[photo height, photo width, input height, input width, crop fraction, box] for random sizes."""
    random = np.random.default_rng(7)
    cases = []
    for _ in range(300):
        height, width = (int(2 ** random.uniform(0, 13.3)) for _ in range(2))
        spec = ImageSpec(*(int(side) for side in random.integers(1, 400, 2)), crop_fraction=random.uniform(0.01, 1))
        cases.append([height, width, spec.height, spec.width, spec.crop_fraction, list(spec.crop_box(height, width))])
    return cases


def normalize_cases() -> list[dict]:
    """Twelve bytes under each spec and the float32 values they become, as their bits."""
    values = np.array([0, 1, 2, 63, 64, 127, 128, 129, 200, 253, 254, 255], np.uint8)
    return [
        {"spec": spec.to_json(), "pixels": values.tolist(),
         "bits": spec.normalize(values.reshape(4, 3)).ravel().view(np.int32).tolist()}
        for spec in NORMALIZED
    ]  # fmt: skip


def scene(width: int, height: int) -> Image.Image:
    """A smooth picture with an edge, different in all four corners."""
    y, x = np.mgrid[0:height, 0:width] / np.array([max(height - 1, 1), max(width - 1, 1)]).reshape(2, 1, 1)
    planes = np.stack([x, y, 1 - (x + y) / 2], axis=-1) * 235 + 10
    planes[(x - 0.3) ** 2 + (y - 0.6) ** 2 < 0.04] = (240, 30, 60)
    return Image.fromarray(planes.round().astype(np.uint8))


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def profile(colorants: tuple[tuple[float, ...], ...] | None = None) -> bytes:
    """An sRGB profile without a date; with `colorants` (X, Y, Z of red, green, blue under D50) one of another gamut."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    if colorants:
        data = data.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
        for index in range(struct.unpack_from(">I", data, 128)[0]):
            tag, offset = struct.unpack_from(">4sI", data, 132 + 12 * index)
            if tag in (b"rXYZ", b"gXYZ", b"bXYZ"):
                struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in colorants[b"rgb".index(tag[0])]))
    return bytes(data)


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def xmp_text(orientation: int) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", (XMP % b'="%d"' % orientation).decode())
    return info


def photo_files() -> dict[str, bytes]:
    """Photos of every kind that life brings, small."""
    small, odd = scene(48, 32), scene(61, 43)
    alpha = small.copy()
    alpha.putalpha(Image.fromarray((np.indices((32, 48)).sum(0) * 3 + 10).astype(np.uint8)))
    turned = {f"exif_{turn}.jpg": encoded(small, "JPEG", exif=oriented(turn)) for turn in range(1, 9)}
    return turned | {
        "exif_6.png": encoded(small, "PNG", exif=oriented(6)),
        "exif_6.webp": encoded(small, "WEBP", lossless=True, exif=oriented(6)),
        "xmp_6.jpg": encoded(small, "JPEG", xmp=XMP % b'="6"'),
        "xmp_8.webp": encoded(small, "WEBP", lossless=True, xmp=XMP % b">8<"),
        "xmp_3.png": encoded(small, "PNG", pnginfo=xmp_text(3)),
        "exif_1_xmp_6.jpg": encoded(small, "JPEG", exif=oriented(1), xmp=XMP % b'="6"'),
        "420_odd.jpg": encoded(odd, "JPEG", quality=85, subsampling="4:2:0"),
        "422_odd.jpg": encoded(odd, "JPEG", quality=85, subsampling="4:2:2"),
        "444_odd.jpg": encoded(odd, "JPEG", quality=95, subsampling="4:4:4"),
        "progressive.jpg": encoded(odd, "JPEG", quality=80, progressive=True),
        "grey.jpg": encoded(odd.convert("L"), "JPEG"),
        "cmyk.jpg": encoded(odd.convert("CMYK"), "JPEG"),
        "one_pixel.jpg": encoded(scene(1, 1), "JPEG"),
        "large_4000x3000.jpg": encoded(scene(4000, 3000), "JPEG", quality=20, progressive=True),
        "large_2501x1999.jpg": encoded(scene(2501, 1999), "JPEG", quality=20, subsampling="4:4:4", progressive=True),
        "srgb.jpg": encoded(odd, "JPEG", icc_profile=profile()),
        "alpha.png": encoded(alpha, "PNG"),
        "palette.png": encoded(alpha.quantize(16), "PNG"),
        "grey_16_bit.png": encoded(Image.fromarray(np.asarray(odd.convert("L")).astype(np.uint16) * 257), "PNG"),
        "lossless.webp": encoded(alpha, "WEBP", lossless=True),
        "lossy.webp": encoded(odd, "WEBP", quality=80),
        "first_frame.gif": encoded(odd, "GIF", save_all=True, append_images=[scene(61, 43).rotate(180)]),
        "plain.bmp": encoded(odd, "BMP"),
    }  # fmt: skip


def wide_gamut_file() -> dict[str, bytes]:
    return {"display_p3.jpg": encoded(scene(24, 16), "JPEG", quality=95, icc_profile=profile(DISPLAY_P3))}


def wide_gamut_case() -> dict:
    """The one kind of photo where the phone's decoder may differ: its pixels are stored, to say by how much."""
    [(name, data)] = wide_gamut_file().items()
    return {"file": name, "decoded": pixels.decode(data).tobytes().hex()}


def photo_case(name: str, data: bytes) -> dict:
    decoded = pixels.decode(data)
    return {
        "file": name, "width": decoded.shape[1], "height": decoded.shape[0], "decoded_sha256": digest(decoded),
        "input_sha256": digest(pixels.model_input(data, PHOTO_SPEC)),
    }  # fmt: skip


def bad_photo_files() -> dict[str, bytes]:
    """Files that every reader must refuse."""
    whole = encoded(scene(61, 43), "JPEG")
    return {
        "bad_empty.jpg": b"",
        "bad_text.jpg": b"This is not a picture.\n",
        "bad_truncated.jpg": whole[: len(whole) // 2],
        "bad_header_only.jpg": whole[:20],
        "bad_truncated.png": encoded(scene(61, 43), "PNG")[:300],
        "bad_truncated.webp": encoded(scene(61, 43), "WEBP")[:200],
    }


def score_cases(model_path: Path, photo_dir: Path) -> dict:
    """What the model answers for every example photo; compared with a tolerance, processors differ in float steps."""
    from mobilevit_tf.evaluation.tflite_model import TFLiteModel

    model = TFLiteModel(model_path)
    photos = []
    for path in sorted(photo_dir.glob("*.jpg")):
        answer = model.classify(path.read_bytes())
        photos.append(
            {"file": path.name, "top1": model.labels[int(answer.scores.argmax())],
             "scores": [round(float(score), 4) for score in answer.scores], "input_sha256": digest(answer.pixels)}
        )  # fmt: skip
    return {"model_sha256": sha256(model_path), "photos": photos}


def vectors() -> dict:
    """Everything but the scores, as one JSON object."""
    return {
        "limits": {"photo_pixels": pixels.MAX_PHOTO_PIXELS, "decoded_pixels": pixels.MAX_DECODED_PIXELS},
        "resize": resize_cases(),
        "crop": crop_cases(),
        "normalize": normalize_cases(),
        "photo_spec": PHOTO_SPEC.to_json(),
        "photos": [photo_case(name, data) for name, data in photo_files().items()],
        "wide_gamut": wide_gamut_case(),
        "bad_photos": list(bad_photo_files()),
    }


def all_files() -> dict[str, bytes]:
    return photo_files() | wide_gamut_file() | bad_photo_files()


def main() -> None:
    for name, data in all_files().items():
        write_atomic(GOLDEN / "photos" / name, data)
    write_json(GOLDEN / "vectors.json", vectors())
    if MODEL.is_file():
        write_json(GOLDEN / "scores.json", score_cases(MODEL, EXAMPLES))


if __name__ == "__main__":
    main()
