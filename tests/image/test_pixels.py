"""The one decoder and the exact resize: literal pixels for every kind of file, reasons for what cannot be used."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.photo_files import display_p3, encode, exif, photo, pixels_of, png_of, write

from mobilevit_tf.errors import BadImage
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

RAMP = np.repeat(np.array([[0, 85, 170, 255]] * 4, np.uint8)[..., None], 3, axis=-1)  # [4, 4, 3]


def test_lossless_colour_pixels_come_back_unchanged():
    wanted = pixels_of(7, 5)
    for data in (photo(0, 7, 5, "PNG"), photo(0, 7, 5, "BMP"), photo(0, 7, 5, "WEBP", lossless=True)):
        decoded = pixels.decode(data)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, wanted)


def test_a_jpeg_decodes_as_pillow_does():
    data = photo(3, 33, 17, quality=80)
    np.testing.assert_array_equal(pixels.decode(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "WEBP", "JPEG"])
def test_lossy_formats_come_back_within_a_few_levels(format):
    decoded = pixels.decode(photo(5, 64, 48, format, quality=95)).astype(int)
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded - pixels_of(64, 48, 5)).mean() < 3


def test_a_fresh_process_reads_heic_by_itself(tmp_path):
    path = write(tmp_path / "photo.heic", photo(0, 20, 10, "HEIF"))
    code = f"from mobilevit_tf.image import pixels; print(pixels.decode(open({str(path)!r}, 'rb').read()).shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(10, 20, 3)\n"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])  # the last two turn by boxes of their own
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_shows_the_same_upright_photo(orientation, format):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = (255, 0, 0)  # red top left, blue bottom right: no two orientations look alike
    upright[8:, 16:] = (0, 0, 255)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    options = {"lossless": True} if format == "WEBP" else {} if format == "PNG" else {"quality": 100}
    data = encode(np.ascontiguousarray(stored), format, exif=exif(orientation).tobytes(), **options)
    decoded = pixels.decode(data)
    assert decoded.shape == (16, 32, 3)
    assert np.abs(decoded.astype(int) - upright).mean() < (0.01 if format in ("PNG", "WEBP") else 4)


def test_an_orientation_outside_1_to_8_leaves_the_photo_as_it_is():
    assert pixels.decode(photo(0, 20, 10, exif=exif(9))).shape == (10, 20, 3)


def test_transparency_is_composed_on_white():
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    wanted = [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]
    np.testing.assert_array_equal(pixels.decode(encode(Image.fromarray(rgba, "RGBA"), "PNG")), wanted)
    grey = Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 128)])
    np.testing.assert_array_equal(pixels.decode(encode(grey, "PNG")), [[[127, 127, 127]]])


def test_a_transparent_palette_colour_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    for format in ("PNG", "GIF"):
        opaque = pixels.decode(encode(image, format))
        np.testing.assert_array_equal(opaque, [[[10, 20, 30], [200, 100, 50]]])
        clear = pixels.decode(encode(image, format, transparency=0))
        np.testing.assert_array_equal(clear, [[[255, 255, 255], [200, 100, 50]]])


def test_only_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "lime", "blue")]
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(pixels.decode(data), np.full((4, 4, 3), (255, 0, 0)))


def test_grey_and_black_and_white_become_three_equal_channels():
    grey = np.array([[0, 100, 255]], np.uint8)
    wanted = np.repeat(grey[..., None], 3, axis=-1)
    np.testing.assert_array_equal(pixels.decode(encode(grey, "PNG")), wanted)
    bits = Image.fromarray(grey).point(lambda value: 255 if value > 99 else 0).convert("1")
    np.testing.assert_array_equal(pixels.decode(encode(bits, "PNG"))[0, :, 0], [0, 255, 255])


def test_sixteen_bits_keep_their_high_byte():
    grey = np.array([[0, 255, 256, 0x80FF, 0xFFFF]], np.uint16)
    decoded = pixels.decode(encode(grey, "PNG"))
    np.testing.assert_array_equal(decoded, np.repeat((grey >> 8)[..., None], 3, axis=-1))
    rgb = png_of(2, 1, 16, 2, b"\0" + struct.pack(">6H", 0x12FF, 0x3400, 0xFFFF, 0, 0x00FF, 0x8000))
    np.testing.assert_array_equal(pixels.decode(rgb), [[[0x12, 0x34, 0xFF], [0, 0, 0x80]]])


def test_cmyk_without_a_profile_follows_pillows_formula():
    inks = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    decoded = pixels.decode(encode(inks, quality=100))
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() <= 2


def test_a_display_p3_photo_is_converted_to_srgb():
    color = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    converted = pixels.decode(encode(color, "PNG", icc_profile=display_p3()))
    assert np.abs(converted.astype(int) - (215, 93, 31)).max() <= 1  # by hand: both matrices, sRGB's curve
    transparent = Image.fromarray(np.full((2, 2, 4), (200, 100, 50, 0), np.uint8), "RGBA")
    np.testing.assert_array_equal(pixels.decode(encode(transparent, "PNG", icc_profile=display_p3())), 255)


def test_an_srgb_or_a_broken_profile_changes_nothing():
    color = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all" * 20, display_p3()[:200]):
        np.testing.assert_array_equal(pixels.decode(encode(color, "PNG", icc_profile=profile)), color)


def test_a_big_jpeg_is_decoded_at_the_first_power_of_two_that_fits():
    data = photo(0, 1001, 600)
    assert pixels.decode(data, max_pixels=1001 * 600).shape == (600, 1001, 3)
    assert pixels.decode(data, max_pixels=1001 * 600 - 1).shape == (300, 501, 3)
    assert pixels.decode(data, max_pixels=300 * 501 - 1).shape == (150, 251, 3)
    assert pixels.decode(data, max_pixels=1).shape == (75, 126, 3)
    assert pixels.decode(photo(0, 3, 2), max_pixels=1).shape == (1, 2, 3)
    assert pixels.decode(photo(0, 100, 60, "PNG"), max_pixels=1).shape == (60, 100, 3)


def test_the_default_limit_is_four_million_pixels():
    assert pixels.decode(photo(0, 2048, 2048)).shape == (2048, 2048, 3)
    assert pixels.decode(photo(0, 2056, 2048)).shape == (1024, 1028, 3)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (12000, 10), (10, 12000)])
def test_extreme_shapes_pass_through_both_protocols(width, height):
    data = photo(0, width, height)
    assert pixels.decode(data).shape == (height, width, 3)
    for protocol in pixels.PROTOCOLS:
        assert pixels.model_input(data, ImageSpec(32, 48), protocol).shape == (32, 48, 3)


def test_truncated_files_are_called_truncated_in_every_format():
    for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF"):
        data = photo(0, 200, 150, format)
        with pytest.raises(BadImage, match=r"truncated or damaged|not a picture"):
            pixels.decode(data[: len(data) * 2 // 3])
    jpeg = photo(0, 200, 150)
    with pytest.raises(BadImage, match=r"^truncated or damaged$"):
        pixels.decode(jpeg[: len(jpeg) * 2 // 3], max_pixels=1)


@pytest.mark.parametrize(
    "data", [b"a text that somebody named .jpg\n" * 20, b"\xff\xd8", b"%PDF-1.7\n", b"RIFF    WEBP"]
)
def test_what_is_no_picture_is_called_so(data):
    with pytest.raises(BadImage, match="not a picture"):
        pixels.decode(data)


def test_an_empty_file_is_called_empty():
    with pytest.raises(BadImage, match=r"^the file is empty$"):
        pixels.decode(b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (50_000, 50_000), (100_000, 2_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(width, height):
    with pytest.raises(BadImage, match="more than 100,000,000 pixels"):
        pixels.decode(png_of(width, height, 8, 0, b""))


def test_a_baseline_jpeg_of_108_megapixels_is_decoded_at_an_eighth_and_a_progressive_one_is_refused():
    buffer = io.BytesIO()
    Image.new("L", (12_000, 9_000), 90).save(buffer, "JPEG", quality=10)
    decoded = pixels.decode(buffer.getvalue())
    assert decoded.shape == (1125, 1500, 3) and (abs(decoded.astype(int) - 90) < 5).all()
    progressive = buffer.getvalue().replace(b"\xff\xc0", b"\xff\xc2", 1)  # its header alone is looked at
    with pytest.raises(BadImage, match="more than 100,000,000 pixels"):
        pixels.decode(progressive)


def test_damaged_files_raise_nothing_but_bad_image():
    rng = np.random.default_rng(0)
    originals = [photo(0, 20, 16, name) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF")]
    outcomes = set()
    for round_ in range(40):
        for original in originals:
            damaged = bytearray(original)
            for place in rng.integers(len(damaged) if round_ % 2 else min(120, len(damaged)), size=4):
                damaged[place] = rng.integers(256)
            try:
                assert pixels.decode(bytes(damaged)).shape[-1] == 3
                outcomes.add("decoded")
            except BadImage as error:
                outcomes.add(str(error).split("(")[0])
    assert {"decoded", "truncated or damaged", "not a picture "} <= outcomes


def test_resize_is_pillows_antialiased_filter_to_the_last_level():
    data = encode(RAMP, "PNG")
    halved = pixels.model_input(data, ImageSpec(2, 2, crop_fraction=1.0))
    np.testing.assert_array_equal(halved[..., 0], [[61, 194], [61, 194]])
    doubled = pixels.model_input(data, ImageSpec(1, 8, crop_fraction=1.0), "stretch")
    np.testing.assert_array_equal(doubled[0, :, 1], [0, 21, 64, 106, 149, 191, 234, 255])
    cubic = pixels.model_input(data, ImageSpec(2, 2, "bicubic", crop_fraction=1.0))
    np.testing.assert_array_equal(cubic[..., 2], [[50, 205], [50, 205]])


def test_crop_takes_the_centre_and_stretch_takes_all():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    spec = ImageSpec(4, 4, crop_fraction=1.0)
    np.testing.assert_array_equal(pixels.model_input(encode(wide, "PNG"), spec), np.full((4, 4, 3), 200))
    assert pixels.model_input(encode(wide, "PNG"), spec, "stretch")[:, 0].max() < 100


def test_bgr_reverses_the_channels_and_an_unknown_protocol_is_refused():
    data = encode(np.full((4, 4, 3), (10, 20, 30), np.uint8), "PNG")
    assert pixels.model_input(data, ImageSpec(2, 2, color_order="BGR"))[0, 0].tolist() == [30, 20, 10]
    with pytest.raises(ValueError, match="squeeze"):
        pixels.resize(pixels.decode_image(data), ImageSpec(2, 2), "squeeze")
