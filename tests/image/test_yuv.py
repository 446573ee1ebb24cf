"""The rule for camera frames: planes with strides become the pixels that the phone's Kotlin gives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import make_golden_frames
from support.make_golden import GOLDEN

from mobilevit_tf.image.yuv import Plane, decode_frame


def test_committed_frames_equal_todays():
    committed = json.loads((GOLDEN / "frames.json").read_text())
    assert len(committed["frames"]) == 64
    assert committed == json.loads(json.dumps(make_golden_frames.frames()))


def test_a_pixel_is_full_range_bt601_with_the_nearest_chroma():
    y = Plane(bytes([0, 255, 128, 76, 76, 76]), 3, 1)
    u, v = Plane(bytes([128, 85]), 2, 1), Plane(bytes([128, 255]), 2, 1)
    decoded = np.asarray(decode_frame(2, 3, y, u, v)).tolist()
    # red's chroma (85, 255) belongs to the third column alone
    assert decoded == [[[0, 0, 0], [255, 255, 255], [255, 52, 51]], [[76, 76, 76], [76, 76, 76], [254, 0, 0]]]


def test_strides_and_a_short_last_row_give_the_same_samples():
    tight = Plane(bytes([1, 2, 3, 4, 5, 6]), 3, 1)
    wide = Plane(bytes([1, 9, 2, 9, 3, 9, 9, 4, 9, 5, 9, 6]), 7, 2)
    assert tight.samples(2, 3).tolist() == wide.samples(2, 3).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("plane", [Plane(bytes(5), 3, 1), Plane(bytes(99), 2, 1), Plane(b"", 3, 1), Plane(b"12", 3, 0)])
def test_a_plane_that_does_not_fit_is_refused(plane: Plane):
    with pytest.raises(ValueError, match="holds no 3 x 2 samples"):
        plane.samples(2, 3)
