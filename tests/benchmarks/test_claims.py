"""benchmarks/claims.py: the verdicts follow from the numbers, and the command trains, goes on and writes its tables."""

import math
import sys

import pytest
from support.commands import ROOT, run

sys.path.insert(0, str(ROOT / "benchmarks"))
import claims_table as claims
import results_file

from mobilevit_tf.config import ModelConfig

TINY = ("--variant=tiny", "--data=digits", "--input_size=32", "--batch_size=256", "--noflip")


def _row(top1: float, seed: int = 0) -> dict:
    return {"final_top1": top1, "val_images": 400, "seed": seed, "parameters": 952629}


def test_every_experiment_names_runs_that_exist_and_claims_of_its_own_runs():
    for experiment in claims.EXPERIMENTS.values():
        assert set(experiment.runs) <= set(claims.RUNS)
        assert {name for claim in experiment.claims for name in (claim.better, claim.worse)} <= set(experiment.runs)
    for given in claims.RUNS.values():
        ModelConfig(variant=given[0].removeprefix("--variant="))  # refuses an unknown one


def test_standard_error_is_that_of_the_photos_and_of_the_seeds():
    assert claims.standard_error([_row(0.8)]) == pytest.approx(0.02)  # sqrt(0.8 * 0.2 / 400)
    assert claims.standard_error([_row(0.79), _row(0.81)]) == pytest.approx(math.hypot(0.02, 0.01))


@pytest.mark.parametrize(
    ("better", "words"),
    [(0.90, "is +10.0 points, standard error 2.5: **shown**"), (0.82, "within two standard errors"),
     (0.70, "is -10.0 points, standard error 3.0: **not shown: it is the other way round here**")],
)  # fmt: skip
def test_verdict_says_whether_the_difference_here_shows_the_claim(better, words):
    claim = claims.Claim("one is ahead", "one", "other")
    assert words in claims.verdict(claim, {"one": [_row(better)], "other": [_row(0.8)]})


def test_table_has_the_mean_and_the_range_over_seeds():
    results = {"xxs_basic": [_row(0.80), _row(0.82, 1)], "xxs_basic_ms": [_row(0.75), _row(0.79, 1)]}
    text = claims.section(claims.EXPERIMENTS["multiscale"], results)
    assert "| `--variant=xxs` | 952,629 | 81.0% | 80.0% to 82.0% | 2 |" in text
    assert "`xxs_basic_ms` minus `xxs_basic` is -4.0 points" in text


def test_section_of_a_results_file_is_replaced_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n")
    for name, text in (("a", "first"), ("b", r"other \1"), ("a", "second")):
        results_file.write_section(path, name, text)
    assert path.read_text() == (
        "# Results\n\n<!-- a -->\nsecond\n<!-- end of a -->\n\n<!-- b -->\nother \\1\n<!-- end of b -->\n"
    )


def test_command_trains_every_run_once_and_writes_the_table(tmp_path):
    command = ("benchmarks/claims.py", "--only=ema", "--epochs=1", f"--output_dir={tmp_path / 'runs'}",
               f"--output={tmp_path / 'RESULTS.md'}", "--", *TINY)  # fmt: skip
    first = run(*command)
    assert first.returncode == 0, first.stdout
    written = (tmp_path / "RESULTS.md").read_text()
    assert "| `--variant=xxs --ema_decay=0` | 10,798 |" in written
    assert "359 held-out photos (1438 to train)" in written
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"xxs_basic_seed0", "xxs_no_ema_seed0"}

    again = run(*command)
    assert again.stdout.count("is finished: its results are in") == 2
    assert (tmp_path / "RESULTS.md").read_text() == written

    other = run(*command, "--learning_rate=1e-2")
    assert other.returncode == 1
    assert "train.learning_rate (was 0.001, now 0.01)" in other.stdout
    assert "xxs_basic_seed0 did not finish" in other.stdout


def test_unknown_experiment_and_seed_are_refused():
    for flag, words in (
        ("--only=emu", "error: --only=emu, expected some of augmentation, "),
        ("--seeds=a", "--seeds=a:"),
    ):
        answer = run("benchmarks/claims.py", flag)
        assert answer.returncode == 1
        assert words in answer.stdout
