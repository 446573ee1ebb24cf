"""Photos of none of the classes: no class of a folder, a threshold that half of them fit, and what the others say."""

import numpy as np
import pytest
from PIL import Image

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import confidence, strangers
from mobilevit_tf.image.image_spec import ImageSpec
from quantize.checks import scores


def paint(folder, count, level=100):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (20, 20), (level, index, 0)).save(folder / f"{index}.png")


def top(*values):
    """Scores [n, 2] with these top scores."""
    return np.array([(value, 1 - value) for value in values], np.float32)


@pytest.mark.parametrize("split", ["", "train"])
def test_a_folder_none_is_no_class_and_is_handed_on(tmp_path, split):
    for name in ("cat", "dog"):
        for part in ("train", "val") if split else ("",):
            paint(tmp_path / part / name, 5, level=len(name + part) * 20)
    paint(tmp_path / "_none", 3)
    if split:
        paint(tmp_path / split / "_none", 4)
    source = datasets.open_source(DataConfig(str(tmp_path)), progress=False)
    expected = {tmp_path / "_none"} | ({tmp_path / split / "_none"} if split else set())
    assert set(source.strangers) == expected
    assert source.class_names == ("cat", "dog")


def test_the_flag_names_a_folder_anywhere_and_a_wrong_one_is_refused(tmp_path):
    paint(tmp_path / "others", 2)
    source = datasets.open_source(DataConfig("digits", none_of_these=str(tmp_path / "others")))
    assert source.strangers == (tmp_path / "others",)
    assert datasets.open_source(DataConfig("digits")).strangers == ()
    with pytest.raises(UserError, match=r"there is no folder .*nowhere: expected photos of none of the classes"):
        datasets.check(DataConfig("digits", none_of_these=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match="there is no folder '': expected photos"):  # not the working directory
        datasets.check(DataConfig("digits", none_of_these=""))


def test_halves_share_no_photo_and_are_the_same_every_time(tmp_path):
    paint(tmp_path / "a" / "deep", 15)
    paint(tmp_path / "b", 10)
    paint(tmp_path / "b" / ".hidden", 5)
    folders = (tmp_path / "a", tmp_path / "b")
    fitting, measuring = strangers.halves(folders)
    assert (len(fitting), len(measuring)) == (13, 12)
    assert len({*fitting, *measuring}) == 25
    assert strangers.halves(folders) == (fitting, measuring)
    assert strangers.halves((tmp_path / "b",)) == ([], [])  # five a half would fit nothing


def test_the_threshold_turns_away_most_strangers_and_few_own_photos():
    own = top(*np.linspace(0.6, 1, 100))
    threshold = confidence.fit_none(own, top(0.5, 0.55, 0.58, 0.61, 0.9))
    assert 0.61 < threshold < own[5].max()
    assert (own.max(1) < threshold).mean() <= confidence.FALSE_ALARMS
    assert confidence.fit_none(own, top(0.8, 0.9)) == 0.0  # none can be turned away at that price


def test_a_fit_with_strangers_says_so_and_one_without_is_as_before():
    random = np.random.default_rng(0)
    own, truth = top(*random.uniform(0.5, 1, 200)), np.zeros(200, np.int64)
    truth[::10] = 1
    plain = scores.fit(own, truth, own, truth)
    assert plain.strangers == 0
    assert scores.fit(own, truth, own, truth, np.empty((0, 2), np.float32)) == plain
    fitted = scores.fit(own, truth, own, truth, top(*random.uniform(0.5, 0.52, 30)))
    assert fitted.strangers == 30
    assert fitted.temperature == plain.temperature
    assert fitted.unsure_below != plain.unsure_below


def test_the_measure_counts_both_sides(tmp_path, caplog):
    paint(tmp_path / "others", 4)
    (tmp_path / "others" / "broken.png").write_bytes(b"no picture")
    paths = sorted((tmp_path / "others").iterdir())

    def score(images):
        return top(*(0.5 + 0.1 * images[:, 0, 0, 1]))  # green is the file's number

    found = strangers.measure(score, paths, ImageSpec(8, 8), top(0.65, 0.75, 0.95, 1.0), threshold=0.7)
    assert (found.strangers, found.strangers_turned_away, found.own_turned_away) == (4, 0.5, 0.25)
    assert found.auroc == pytest.approx(13 / 16)  # 0.65 lies above 2 of 0.5, 0.6, 0.7, 0.8, and 0.75 above 3
    assert "left out: broken.png" in caplog.text
    assert strangers.measure(score, [], ImageSpec(8, 8), top(1.0), threshold=0.7) is None
