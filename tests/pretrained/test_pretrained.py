"""Published weights -> a run directory: preprocessing, channel order, new classes, and the command itself."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save
from support.published import reference, reference_input, tiny, torch_zip

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.data import imagenet
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import mobilevit
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.pretrained import convert, names_mobilevit
from mobilevit_tf.pretrained.__main__ import main
from mobilevit_tf.pretrained.weight_files import PublishedWeights
from mobilevit_tf.train import run_dir


def converted(publisher="huggingface", classes=5):
    return convert.convert(PublishedWeights(publisher, tiny(publisher, classes), ""), "tiny", "w.bin")


def logits(model, images):
    network = mobilevit.build(model.config)
    weights.assign(network, model.weights)
    return network(images, training=False).numpy()


@pytest.mark.parametrize(
    ("publisher", "resize", "crop_fraction", "color_order"),
    [
        ("timm", "bicubic", 0.9, "RGB"),
        ("huggingface", "bilinear", 256 / 288, "BGR"),
        ("apple", "bilinear", 256 / 288, "BGR"),
    ],
)
def test_each_publisher_brings_its_own_preprocessing(publisher, resize, crop_fraction, color_order):
    spec = converted(publisher).spec
    assert (spec.size, spec.resize, spec.crop_fraction) == ((256, 256), resize, crop_fraction)
    assert (spec.color_order, spec.range, spec.mean, spec.std) == (color_order, (0, 1), (0, 0, 0), (1, 1, 1))


def test_the_three_publishers_of_the_same_values_give_the_same_weights():
    ours = converted("timm").weights
    for publisher in ("huggingface", "apple"):
        names = names_mobilevit.weight_map(names_mobilevit.NAMINGS[publisher], "tiny")
        state = {}
        for name, source in names.items():  # back into the publisher's layout, by hand
            array = ours[name]
            if name.endswith("depthwise_kernel"):
                array = array.transpose(2, 3, 0, 1)
            elif name.endswith("_conv/kernel"):
                array = array.transpose(3, 2, 0, 1)
            elif name.endswith("/kernel"):
                array = array.reshape(array.shape[-2:]).T
            fused = source.rows and source.rows.first  # after the rows before it
            state[source.name] = np.concatenate([state[source.name], array]) if fused else array
        again = convert.convert(PublishedWeights(publisher, state, ""), "tiny", "w.bin").weights
        assert set(again) == set(ours)
        for name in ours:
            np.testing.assert_array_equal(again[name], ours[name])


def test_a_flipped_stem_gives_equal_logits_for_rgb():
    model, images = converted(), reference_input(64, 48)
    flipped = convert.in_order(model, "RGB")
    assert (model.spec.color_order, flipped.spec.color_order) == ("BGR", "RGB")
    assert flipped.spec.is_plain
    np.testing.assert_allclose(logits(flipped, images[..., ::-1]), logits(model, images), rtol=0, atol=1e-6)
    assert np.abs(logits(flipped, images) - logits(model, images)).max() > 1e-3
    assert convert.in_order(flipped, "RGB") is flipped


def test_a_new_number_of_classes_gets_a_new_classifier_and_says_what_was_left_out():
    model = converted(classes=1000)
    assert model.labels == imagenet.labels()
    changed, left_out = model_file.reheaded(model, ["daisy", "rose", "tulip"])
    assert left_out == ("classifier/bias", "classifier/kernel")
    assert (changed.config.num_classes, changed.labels) == (3, ("daisy", "rose", "tulip"))
    kernel, bias = changed.weights["classifier/kernel"], changed.weights["classifier/bias"]
    assert (kernel.shape, kernel.dtype, bias.tolist()) == ((16, 3), np.float32, [0, 0, 0])
    assert 0.01 < kernel.std() < 0.03 and np.abs(kernel).max() <= 0.04
    for name in set(model.weights) - set(left_out):
        assert changed.weights[name] is model.weights[name]
    assert logits(changed, reference_input(32, 32)).shape == (2, 3)


def test_a_new_head_depends_on_the_seed_alone_and_the_same_labels_change_nothing():
    model = converted()
    one, two, other = (model_file.reheaded(model, "ab", seed)[0].weights["classifier/kernel"] for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert model_file.reheaded(model, model.labels) == (model, ())


def test_imagenet_has_1000_different_names_and_ids_in_one_order():
    labels, ids = imagenet.labels(), imagenet.wordnet_ids()
    assert len(set(labels)) == len(labels) == len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    names = ("tench", "Golden Retriever", "crane (bird)", "crane (machine)", "toilet paper")
    assert [labels.index(name) for name in names] == [0, 207, 134, 517, 999]
    assert ids[labels.index("golf ball")] == "n03445777"


def test_wordnet_ids_get_their_names_and_other_names_stay():
    assert imagenet.readable(["n03445777", "roses", "n99999999"]) == ("golf ball", "roses", "n99999999")
    assert imagenet.readable(imagenet.wordnet_ids()) == imagenet.labels()
    assert imagenet.readable(imagenet.labels()) == imagenet.labels()


def command(*flags):
    return subprocess.run(
        [sys.executable, "-m", "mobilevit_tf.pretrained", *map(str, flags)], capture_output=True, text=True
    )


def test_the_command_converts_and_prints_the_accuracy_beside_the_published_one(tmp_path):
    state, _ = reference("huggingface", "xxs")
    answer = np.full(1000, -9.0, np.float32)
    answer[[574, 0]] = 2, 1  # always golf ball, then tench
    state |= {"classifier.weight": np.zeros_like(state["classifier.weight"]), "classifier.bias": answer}
    (tmp_path / "model.safetensors").write_bytes(save(state))
    for folder, count in (("n01440764", 1), ("n03445777", 2), ("n01443537", 1)):  # tench, golf ball, goldfish
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (40, 30), (60 * index, 90, len(folder) * count)).save(
                tmp_path / "photos" / folder / f"{index}.png"
            )
    run = tmp_path / "run"
    done = command("--source", tmp_path / "model.safetensors", "--variant=xxs", "--output", run, "--rgb",
                   "--evaluate", tmp_path / "photos")  # fmt: skip
    assert done.returncode == 0, done.stderr
    # goldfish shares the lowest score with 997 others, of which it is the first after tench: third place
    assert "4 photos of 3 classes: top-1 50.00%, top-5 100.00%; published top-1 on ImageNet's" in done.stdout
    assert "photos: 69.00%" in done.stdout and "bilinear, crop 0.889, RGB in [0, 1]" in done.stdout
    assert done.stdout.count(f"--variant=xxs --init_from={run} --data=PHOTOS, or python quantize/export.py --run={run}")
    model = model_file.load(run)
    assert (model.config, model.spec.color_order, model.run_id) == (ModelConfig("xxs"), "RGB", "huggingface-xxs")
    details = json.loads((run / "config.json").read_text())["published"]
    assert run_dir.load_data_config(run).data == "imagenet2012"
    assert (details["publisher"], details["source"], details["left_out"]) == ("huggingface", "model.safetensors", [])


def run_main(capsys, *flags):
    main([str(flag) for flag in flags])
    return capsys.readouterr().out


@pytest.fixture
def source(tmp_path):
    (tmp_path / "weights.pth").write_bytes(torch_zip({"state_dict": tiny()}))
    return tmp_path / "weights.pth"


def test_labels_from_a_file_rehead_the_model(tmp_path, source, capsys):
    (tmp_path / "labels.txt").write_bytes("\ufeffdaisy\r\nGänseblümchen\r\n\r\n".encode())
    out = run_main(capsys, "--source", source, "--output", tmp_path / "run", "--labels", tmp_path / "labels.txt")
    assert "timm's MobileViT-TINY from weights.pth (state_dict)" in out
    assert "left out: classifier/bias, classifier/kernel: the classifier of 2 classes is new and untrained" in out
    assert (
        f"next: python train_main.py --flagfile=configs/finetune_xxs.flags --variant=tiny --init_from={tmp_path}" in out
    )
    assert "export.py" not in out  # an untrained classifier is of no use in a file
    assert model_file.load(tmp_path / "run").labels == ("daisy", "Gänseblümchen")


def test_as_many_labels_as_the_file_has_classes_name_its_classifier(tmp_path, source, capsys):
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    out = run_main(capsys, "--source", source, "--output", tmp_path / "run", "--labels", tmp_path / "labels.txt")
    model = model_file.load(tmp_path / "run")
    assert "left out" not in out and model.labels == tuple("abcde")
    np.testing.assert_array_equal(model.weights["classifier/bias"], tiny()["head.fc.bias"])


def test_color_order_says_what_the_file_expects_and_rgb_flips_it(tmp_path, source, capsys):
    run_main(capsys, "--source", source, "--output", tmp_path / "a", "--color_order=BGR")
    run_main(capsys, "--source", source, "--output", tmp_path / "b", "--color_order=BGR", "--rgb")
    as_is, flipped = model_file.load(tmp_path / "a"), model_file.load(tmp_path / "b")
    assert (as_is.spec.color_order, flipped.spec.color_order) == ("BGR", "RGB")
    np.testing.assert_array_equal(as_is.weights["stem_conv/kernel"][:, :, ::-1], flipped.weights["stem_conv/kernel"])


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--output=run", "--sorce=x"], "unrecognized arguments: --sorce=x"),
        (["--output=run"], "pass --source=FILE_OR_NAME, or --evaluate=DATA"),
        (["--output=run", "--source=x", "--variant=m"], "invalid choice: 'm'"),
        (["--output=run", "--source=x", "--labels=y", "--num_classes=3"], "not both"),
        (["--output=run", "--source=none.bin"], "no file at none.bin"),
    ],
)
def test_wrong_flags_are_one_sentence(flags, part):
    with pytest.raises(UserError) as error:
        main(flags)
    assert part in str(error.value) and "\n" not in str(error.value)


def test_a_bad_labels_file_is_refused(tmp_path, source):
    for content, part in ((b"a\na\n", "each one once"), (b"a\n", "at least two"), (b"\xff\xfe\n", "not UTF-8")):
        (tmp_path / "labels.txt").write_bytes(content)
        with pytest.raises(UserError, match=part):
            main([f"--source={source}", f"--output={tmp_path / 'run'}", f"--labels={tmp_path / 'labels.txt'}"])
        assert not (tmp_path / "run").exists()


def test_a_trained_run_is_not_overwritten_but_an_own_one_is(tmp_path, source, capsys):
    run = tmp_path / "run"
    run_main(capsys, "--source", source, "--output", run)
    run_main(capsys, "--source", source, "--output", run, "--num_classes=3")
    assert model_file.load(run).labels == ("class 0", "class 1", "class 2")
    (run / "config.json").write_text(json.dumps(dataclasses.asdict(ModelConfig("tiny"))))
    with pytest.raises(UserError, match="holds a model that was trained: choose another --output"):
        main([f"--source={source}", f"--output={run}"])


def test_a_truncated_source_leaves_nothing_behind(tmp_path, source):
    source.write_bytes(source.read_bytes()[:-500])
    with pytest.raises(UserError, match="truncated"):
        main([f"--source={source}", f"--output={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()
