"""Every kind of picture through the running page: the answer of the interpreter called directly, or its sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from support.photo_files import display_p3, encode, exif, photo, pixels_of, png_of
from support.preview_server import ROOT

from mobilevit_tf.errors import BadImage
from mobilevit_tf.evaluation.tflite_model import TFLiteModel

EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))


def huge_jpeg() -> bytes:
    return encode(Image.new("RGB", (8_660, 5_780), (200, 120, 40)))


def cmyk() -> bytes:
    return encode(Image.fromarray(pixels_of(40, 30)).convert("CMYK"))


def gif() -> bytes:
    first, second = (Image.fromarray(pixels_of(40, 30, seed)) for seed in (1, 2))
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=[second])
    return stream.getvalue()


def rgba() -> bytes:
    return encode(np.dstack([pixels_of(40, 30), np.full((30, 40), 90, np.uint8)]), "PNG")


def grey_16_bit() -> bytes:
    rows = b"".join(b"\0" + bytes(v for x in range(40) for v in (6 * x, 255 - x)) for _ in range(30))
    return png_of(40, 30, 16, 0, rows)


def rgb_16_bit() -> bytes:
    rows = b"".join(b"\0" + bytes((x * k + y) % 256 for x in range(40) for k in range(6)) for y in range(30))
    return png_of(40, 30, 16, 2, rows)


PICTURES = {
    "grey.jpg": lambda: encode(Image.fromarray(pixels_of(40, 30)).convert("L")),
    "rgba.png": rgba,
    "palette.png": lambda: encode(Image.fromarray(pixels_of(40, 30)).convert("P"), "PNG"),
    "cmyk.jpg": cmyk,
    "grey16.png": grey_16_bit,
    "rgb16.png": rgb_16_bit,
    "photo.webp": lambda: photo(3, format="WEBP"),
    "moving.gif": gif,
    "photo.heic": lambda: photo(4, 64, 48, format="HEIF"),
    "p3.jpg": lambda: photo(5, icc_profile=display_p3()),
    "one_pixel.png": lambda: photo(6, 1, 1, format="PNG"),
    "thin.png": lambda: photo(7, 12_000, 10, format="PNG"),
    "50mp.jpg": huge_jpeg,
    "wrong_suffix.svg": lambda: photo(8, format="PNG"),
}
NO_PICTURES = {
    "truncated.jpg": lambda: photo(9, 400, 300)[:3_000],
    "text.jpg": lambda: b"just some words",
    "empty.jpg": lambda: b"",
    "drawing.svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>',
    "bomb.png": lambda: png_of(30_000, 30_000, 8, 2, b""),
}


@pytest.fixture(scope="module")
def client(preview) -> Client:
    return Client(preview.url, verbose=False, ssl_verify=False)


@pytest.fixture(scope="module")
def direct(tiny_tflite) -> TFLiteModel:
    return TFLiteModel(tiny_tflite / "float.tflite")


def scores_of(answer: dict, labels: tuple[str, ...]) -> np.ndarray:
    by_label = {entry["label"]: entry["confidence"] for entry in answer["confidences"]}
    return np.array([by_label[label] for label in labels], np.float32)


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", ["crop", "stretch"])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_get_the_interpreters_scores_bit_for_bit(client, direct, path, protocol):
    answer = client.predict(handle_file(path), "", protocol, api_name="/classify")
    expected = direct.classify(path.read_bytes(), protocol)
    assert scores_of(answer, direct.labels).tobytes() == expected.scores.tobytes()
    assert answer["label"] == direct.labels[int(np.argmax(expected.scores))]
    assert answer["unsure"] == bool(expected.scores.max() < direct.info.unsure_below)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_reach_the_model_as_the_bytes_that_were_sent(client, direct, tmp_path, name):
    data = PICTURES[name]()
    answer = client.predict(handle_file(write(tmp_path, name, data)), api_name="/classify")
    assert scores_of(answer, direct.labels).tobytes() == direct.classify(data).scores.tobytes()


@pytest.mark.parametrize("name", NO_PICTURES)
def test_files_that_are_no_pictures_get_one_sentence_with_their_name(client, direct, tmp_path, name):
    data = NO_PICTURES[name]()
    with pytest.raises(BadImage) as reason:
        direct.classify(data)
    with pytest.raises(AppError) as refusal:
        client.predict(handle_file(write(tmp_path, name, data)), api_name="/classify")
    assert str(refusal.value) == f"{name}: {reason.value}"


def test_the_eight_exif_orientations_give_one_answer(client, direct, tmp_path):
    upright = Image.fromarray(pixels_of(48, 40, 11))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }
    answers = []
    for orientation, image in stored.items():
        data = encode(image, "PNG", exif=exif(orientation))
        answer = client.predict(handle_file(write(tmp_path, f"{orientation}.png", data)), api_name="/classify")
        answers.append(scores_of(answer, direct.labels).tobytes())
    assert answers == [direct.classify(encode(upright, "PNG")).scores.tobytes()] * 8
