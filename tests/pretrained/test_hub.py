"""Weights by name from a hub on loopback: fetched once, checked by their hash, and one sentence where it goes wrong."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pretrained.loopback_hub import COMMIT, environment_of, serve
from support.commands import ROOT

from mobilevit_tf import catalog
from mobilevit_tf.errors import UserError
from mobilevit_tf.pretrained import convert, hub_names
from mobilevit_tf.pretrained.hub_names import Reference
from mobilevit_tf.pretrained.publishers import family_with

TIMM, APPLE = "timm/mobilevit_xxs.cvnets_in1k", "apple/mobilevit-xx-small"
CONTENT = bytes(range(256)) * 4000  # a megabyte: what a file means is no matter of fetching it
FETCH = ROOT / "tests" / "programs" / "fetch_weights.py"


@pytest.fixture
def hub():
    with serve({f"{TIMM}/model.safetensors": CONTENT, f"{APPLE}/pytorch_model.bin": CONTENT}) as hub:
        yield hub


@pytest.fixture
def fetch(hub, tmp_path):
    """Runs the program in a process of its own, whose environment names hub and cache; "" removes a variable."""

    def fetch(*arguments, **extra):
        variables = environment_of(hub, tmp_path / "home") | extra
        clean = {name: value for name, value in variables.items() if value}
        command = [sys.executable, str(FETCH), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=clean, cwd=ROOT, timeout=120, check=False)

    return fetch


def fetched(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done):
    """The one sentence on stderr behind what the client itself logs."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("error: ")
    assert "https://huggingface.co/" in sentence and "--source=THAT_FILE --output=RUN" in sentence  # the way by hand
    return sentence


def test_a_name_is_fetched_once_and_lies_in_the_clients_cache(fetch, hub, tmp_path):
    first = fetched(fetch(TIMM))
    assert first["commit"] == COMMIT
    assert first["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert Path(first["path"]).read_bytes() == CONTENT
    assert Path(first["path"]).is_relative_to(tmp_path / "home" / "hub" / "models--timm--mobilevit_xxs.cvnets_in1k")
    assert fetched(fetch("imagenet")) == first
    assert hub.downloads() == 1


def test_a_repository_without_safetensors_gives_its_pytorch_file(fetch):
    assert Path(fetched(fetch(APPLE))["path"]).name == "pytorch_model.bin"


def test_a_pinned_commit_is_asked_for_and_another_one_refused(fetch, hub):
    assert fetched(fetch(f"{TIMM}@{COMMIT}"))["commit"] == COMMIT
    assert f"HEAD /{TIMM}/resolve/{COMMIT}/model.safetensors" in hub.asked
    assert f"has no revision v9 of {TIMM}" in refused(fetch(f"{TIMM}@v9"))


def test_offline_takes_the_cache_or_says_what_is_missing(fetch, hub):
    fetched(fetch(APPLE))
    asked = len(hub.asked)
    assert Path(fetched(fetch(APPLE, HF_HUB_OFFLINE="1"))["path"]).read_bytes() == CONTENT
    assert "HF_HUB_OFFLINE is set" in refused(fetch(TIMM, HF_HUB_OFFLINE="1"))
    assert len(hub.asked) == asked


def test_no_network_takes_the_cache_or_says_so(fetch, hub):
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}  # the discard port, where nothing listens
    assert "did not come from http://127.0.0.1:9" in refused(fetch(TIMM, **nowhere))
    fetched(fetch(TIMM))
    assert fetched(fetch(TIMM, **nowhere))["commit"] == COMMIT
    hub.fault = "no_commit"  # such as a page to log in to, which answers every request
    assert fetched(fetch(TIMM))["commit"] == COMMIT


def test_a_proxy_is_used(fetch, hub):
    away = fetch(TIMM, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.endpoint, http_proxy="", NO_PROXY="localhost")
    assert fetched(away)["commit"] == COMMIT


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        ("unknown", f"has no {TIMM}, or hides it"), ("gated", "only to those who accepted its terms"),
        ("no_hash", "states no size and SHA-256 of model.safetensors"), ("no_commit", f"names no commit of {TIMM}"),
        ("huge", "has 1048576 MiB, expected at most 256"), ("broken", "did not come from http://127.0.0.1:"),
        ("other", "is not what the hub's SHA-256 says"), ("endless", "brought more than the file's 1,024,000 bytes"),
        ("cut", "peer closed connection without sending complete message"),
    ],
)  # fmt: skip
def test_a_bad_hub_gets_one_sentence(fetch, hub, fault, part):
    hub.fault = fault
    assert part in refused(fetch(TIMM))


def test_what_a_bad_hub_left_is_not_used(fetch, hub):
    hub.fault = "other"
    refused(fetch(TIMM))
    hub.fault = ""
    assert fetched(fetch(TIMM))["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_a_full_disk_gets_one_sentence(fetch, tmp_path):
    sentence = refused(fetch(TIMM, "full"))
    assert f"the disk is full: {TIMM} did not fit into {tmp_path / 'home' / 'hub'}: free some space" in sentence


def test_a_damaged_copy_in_the_cache_is_fetched_anew_and_refused_without_a_network(fetch, hub):
    path = Path(fetched(fetch(TIMM))["path"])
    path.resolve().write_bytes(CONTENT[::-1])
    assert f"{path} is damaged: remove it" in refused(fetch(TIMM, HF_HUB_OFFLINE="1"))
    assert fetched(fetch(TIMM))["path"] == str(path)
    assert path.read_bytes() == CONTENT
    assert hub.downloads() == 2


def test_names_are_read_and_everything_else_is_a_path(tmp_path):
    assert hub_names.find("imagenet", "v2_150") == Reference("timm/mobilevitv2_150.cvnets_in1k")
    assert hub_names.find(f"{APPLE}@refs", None) == Reference(APPLE, "refs")
    assert [hub_names.find(path, "xxs") for path in ("runs/mine", "./imagenet", str(tmp_path))] == [None] * 3


@pytest.mark.parametrize(
    ("text", "variant", "part"),
    [
        ("timm/mobilevit_xss.cvnets_in1k", "xxs", "did you mean timm/mobilevit_xs"), ("imagenet", None, "--variant"),
        ("timm/resnet50.a1_in1k", "xxs", "no name of weights that are read: docs/pretrained.md lists them"),
        ("imagenet", "vit_ti", "no published weights of DeiT-Ti"), (f"{TIMM}@", "xxs", "expected a commit"),
        (f"{TIMM}@../../x", "xxs", "expected a commit"), (f"{TIMM}@a/b", "xxs", "expected a commit"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_meant_is_refused(text, variant, part):
    with pytest.raises(UserError, match=part):
        hub_names.find(text, variant)


def test_every_published_name_is_of_a_model_and_publisher_that_are_read():
    for name, weights in catalog.PUBLISHED.items():
        family = family_with(weights.variant)
        assert weights.variant in convert.READABLE
        assert weights.size in family.specs[weights.publisher], name
        assert name.startswith("timm/" if weights.publisher == "timm" else "apple/")
        assert abs(weights.top1 - catalog.find(weights.variant).top1) < 4
    assert len(catalog.PUBLISHED) == 21
    assert {weights.variant for weights in catalog.PUBLISHED.values()} == set(convert.READABLE) - {"tiny"}
