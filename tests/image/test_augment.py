"""Training augmentation: repeatable, in range, and true to the algorithms it names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.photo_files import encode, photo, pixels_of

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import augment


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("mode", ["none", "basic", "advanced"])
def test_the_same_generator_gives_the_same_image(mode):
    data, config = photo(0, 80, 60), AugmentConfig(mode=mode)
    first, again = (augment.training_image(data, 32, rng(5), config) for _ in range(2))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    others = [augment.training_image(data, 32, rng(seed), config) for seed in range(4)]
    assert any((other != first).any() for other in others) == (mode != "none")


def test_mode_none_takes_the_largest_centred_square_for_any_generator():
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = pixels_of(32, 32)
    image = augment.training_image(encode(wide, "PNG"), 32, rng(), AugmentConfig(mode="none"))
    np.testing.assert_array_equal(image, pixels_of(32, 32))


def test_without_flip_no_seed_mirrors_and_with_flip_half_of_them_do():
    left_to_right = encode(np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2) * 3, "PNG")

    def mirrored(flip: bool) -> int:
        images = [augment.training_image(left_to_right, 16, rng(seed), AugmentConfig(flip=flip)) for seed in range(200)]
        return sum(int(image[8, 0, 0]) > int(image[8, -1, 0]) for image in images)

    assert mirrored(flip=False) == 0
    assert 70 < mirrored(flip=True) < 130


def test_crops_are_inside_and_have_the_drawn_areas_and_ratios():
    boxes = [augment.random_resized_crop(400, 300, rng(seed), (0.08, 1.0), (3 / 4, 4 / 3)) for seed in range(1000)]
    widths = np.array([right - left for left, _, right, _ in boxes])
    heights = np.array([bottom - top for _, top, _, bottom in boxes])
    assert all(left >= 0 and top >= 0 and right <= 400 and bottom <= 300 for left, top, right, bottom in boxes)
    shares = widths * heights / (400 * 300)
    assert 0.079 < shares.min() < 0.1
    assert shares.max() > 0.9
    ratios = widths / heights
    assert 0.74 < ratios.min() < 0.76
    assert 1.31 < ratios.max() < 1.35
    assert abs(np.log(ratios).mean()) < 0.03  # log-uniform: as often tall as wide


def test_a_strip_no_crop_fits_into_gives_its_middle():
    box = augment.random_resized_crop(12000, 10, rng(), (0.9, 1.0), (3 / 4, 4 / 3))
    assert box == (5993, 0, 6006, 10)
    assert augment.random_resized_crop(10, 12000, rng(), (0.9, 1.0), (3 / 4, 4 / 3)) == (0, 5993, 10, 6006)
    assert augment.random_resized_crop(1, 1, rng(), (0.08, 1.0), (3 / 4, 4 / 3)) == (0, 0, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 8), (3000, 5), (2100, 1400)])
def test_photos_of_any_shape_become_the_asked_size(width, height):
    image = augment.training_image(photo(0, width, height), 24, rng(), AugmentConfig(mode="advanced"))
    assert image.shape == (24, 24, 3)


def test_a_bad_photo_is_refused_with_its_reason():
    with pytest.raises(BadImage, match="not a picture"):
        augment.training_image(b"a text", 24, rng(), AugmentConfig())


def test_randaugment_has_the_papers_fourteen_operations_and_all_but_identity_change_a_photo():
    assert len(augment.RANDAUGMENT_OPS) == len(set(augment.RANDAUGMENT_OPS)) == 14
    noisy = rng().integers(20, 200, (16, 16, 3)).astype(np.uint8)
    image = Image.fromarray(noisy)
    for name in augment.RANDAUGMENT_OPS:
        changed = np.asarray(augment.apply_operation(image, name, 0.6))
        assert changed.shape == (16, 16, 3)
        assert changed.dtype == np.uint8
        assert (changed != noisy).any() == (name != "identity"), name
        assert (np.asarray(image) == noisy).all(), f"{name} changed its input"


def test_operations_do_what_their_names_say():
    def value(name: str, strength: float, level: int = 100) -> int:
        return int(np.asarray(augment.apply_operation(Image.new("RGB", (8, 8), (level,) * 3), name, strength))[4, 4, 0])

    assert value("brightness", 1) == 190
    assert value("brightness", -1) == 10
    assert value("solarize", 1) == 155  # all above 0 inverted
    assert value("solarize", 0, level=255) == 255
    assert value("posterize", 1, level=255) == 0b11110000
    assert value("posterize", 0) == 100
    assert value("rotate", 0.3) == value("shear_x", 0.3) == value("translate_y", 0.1) == 100  # the centre stays


def test_every_operation_at_full_strength_keeps_type_and_shape():
    image = Image.fromarray(pixels_of(17, 17))
    for name in augment.RANDAUGMENT_OPS:
        for strength in (-1, 0, 1):
            assert np.asarray(augment.apply_operation(image, name, strength)).shape == (17, 17, 3)


def batch(size: int = 6, side: int = 16, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Images of one level each, and one-hot labels."""
    images = np.repeat(np.arange(size, dtype=np.uint8) * 40, side * side * 3).reshape(size, side, side, 3)
    return images, np.eye(classes, dtype=np.float32)[np.arange(size) % classes]


@pytest.mark.parametrize("mix", [augment.mixup, augment.cutmix])
def test_mixed_labels_sum_to_one_and_repeat_with_the_generator(mix):
    images, labels = batch()
    before = images.copy()
    for seed in range(30):
        mixed, soft = mix(images, labels, rng(seed), 1.0)
        assert mixed.shape == images.shape
        assert mixed.dtype == np.uint8
        assert soft.shape == labels.shape
        assert soft.dtype == np.float32
        np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
        again, soft_again = mix(images, labels, rng(seed), 1.0)
        np.testing.assert_array_equal(mixed, again)
        np.testing.assert_array_equal(soft, soft_again)
    np.testing.assert_array_equal(images, before)


def test_mixup_weighs_pixels_and_labels_alike():
    images = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    for seed in range(20):
        mixed, soft = augment.mixup(images, np.eye(2, dtype=np.float32), rng(seed), 1.0)
        np.testing.assert_allclose(mixed[:, 0, 0, 0] / 255, soft[:, 1], atol=0.5 / 255 + 1e-6)


def test_cutmix_labels_are_the_share_of_the_pixels():
    images = np.stack([np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)])
    shares = []
    for seed in range(40):
        mixed, soft = augment.cutmix(images, np.eye(2, dtype=np.float32), rng(seed), 1.0)
        assert set(np.unique(mixed)) <= {0, 255}
        np.testing.assert_allclose((mixed == 255).mean(axis=(1, 2, 3)), soft[:, 1], atol=1e-6)
        shares.append(soft[0, 1])
    assert min(shares) < 0.1
    assert max(shares) > 0.4


def test_mix_batch_uses_both_or_the_one_that_is_on_or_none():
    images, labels = batch(side=32)

    def kinds(config: AugmentConfig) -> set[str]:
        found = set()
        for seed in range(30):
            mixed, soft = augment.mix_batch(images, labels, rng(seed), config)
            if (mixed == images).all() and (soft == labels).all():
                continue  # every image met itself, or a share of nothing
            found.add("cutmix" if set(np.unique(mixed)) <= set(np.unique(images)) else "mixup")
        return found

    assert kinds(AugmentConfig(mode="advanced")) == {"mixup", "cutmix"}
    assert kinds(AugmentConfig(mode="advanced", mixup_alpha=0.0)) == {"cutmix"}
    assert kinds(AugmentConfig(mode="advanced", cutmix_alpha=0.0, mixup_alpha=1.0)) == {"mixup"}
    assert kinds(AugmentConfig(mode="basic")) == set()
    assert not AugmentConfig(mode="advanced", mixup_alpha=0.0, cutmix_alpha=0.0).mixes


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "wild"},
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 0.2)},
        {"ratio": (0.0, 1.0)},
        {"randaugment_ops": -1},
        {"randaugment_magnitude": 31},
        {"cutmix_alpha": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(UserError):
        AugmentConfig(**values)
