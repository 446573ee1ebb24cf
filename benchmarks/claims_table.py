"""The paper's claims as experiments, and the tables that their runs give. No flags, no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
import statistics

# Run -> its flags over the recipe.
RUNS: dict[str, tuple[str, ...]] = {
    "xxs_basic": ("--variant=xxs",),
    "xxs_advanced": ("--variant=xxs", "--augment=advanced"),
    "vit_ti_basic": ("--variant=vit_ti",),
    "vit_ti_advanced": ("--variant=vit_ti", "--augment=advanced"),
    "xxs_basic_ms": ("--variant=xxs", "--multiscale=96,128,160,192"),
    "mobilenet_v2_060_basic": ("--variant=mobilenet_v2_060",),
    "xxs_patch_444": ("--variant=xxs", "--patch_sizes=4,4,4"),
    "xxs_patch_842": ("--variant=xxs", "--patch_sizes=8,4,2"),
    "xxs_no_ema": ("--variant=xxs", "--ema_decay=0"),
    "xxs_decay_0.1": ("--variant=xxs", "--weight_decay=0.1"),
    "xxs_decay_0.01": ("--variant=xxs", "--weight_decay=0.01"),
    "xxs_decay_0.001": ("--variant=xxs", "--weight_decay=0.001"),
    "xxs_no_dropout": ("--variant=xxs", "--dropout=0", "--classifier_dropout=0"),
    "xxs_192": ("--variant=xxs", "--input_size=192"),
}


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the paper says of two runs: `better` is more accurate than `worse`."""

    text: str
    better: str
    worse: str


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table: its runs, and what the paper says of them."""

    title: str
    runs: tuple[str, ...]
    claims: tuple[Claim, ...]


EXPERIMENTS: dict[str, Experiment] = {
    "augmentation": Experiment(
        "Basic against advanced augmentation",
        ("xxs_basic", "xxs_advanced", "vit_ti_basic", "vit_ti_advanced"),
        (
            Claim("a ViT of DeiT-Ti size needs advanced augmentation", "vit_ti_advanced", "vit_ti_basic"),
            Claim("MobileViT with basic augmentation is ahead of DeiT with advanced (6.2 points, abstract)",
                  "xxs_basic", "vit_ti_advanced"),
        ),
    ),
    "multiscale": Experiment(
        "Multi-scale sampler",
        ("xxs_basic", "xxs_basic_ms"),
        (Claim("the sampler gains 0.5 points (S)", "xxs_basic_ms", "xxs_basic"),),
    ),
    "size": Experiment(
        "MobileViT against MobileNetV2 of the same size",
        ("xxs_basic", "mobilenet_v2_060_basic"),
        (
            Claim("MobileViT is ahead of light CNNs of its size (of MobileNetV3 by 3.2 points, abstract)",
                  "xxs_basic", "mobilenet_v2_060_basic"),
        ),
    ),
    "patch_sizes": Experiment(
        "Patch sizes",
        ("xxs_basic", "xxs_patch_444", "xxs_patch_842"),
        (
            Claim("2,2,2 is 0.8 points ahead of 4,4,4 (S)", "xxs_basic", "xxs_patch_444"),
            Claim("2,2,2 is 1.1 points ahead of 8,4,2 (S)", "xxs_basic", "xxs_patch_842"),
        ),
    ),
    "ema": Experiment(
        "Average of the weights",
        ("xxs_basic", "xxs_no_ema"),
        (Claim("the average and label smoothing together gain 0.4 points (S)", "xxs_basic", "xxs_no_ema"),),
    ),
    "weight_decay": Experiment(
        "Weight decay",
        ("xxs_decay_0.1", "xxs_basic", "xxs_decay_0.01", "xxs_decay_0.001"),
        (
            Claim("0.01 is 1.9 points ahead of 0.1 (S)", "xxs_decay_0.01", "xxs_decay_0.1"),
            Claim("0.01 is 0.8 points ahead of 0.001 (S)", "xxs_decay_0.01", "xxs_decay_0.001"),
        ),
    ),
    "recipe": Experiment(
        "Single changes of the recipe",
        ("xxs_basic", "xxs_advanced", "xxs_basic_ms", "xxs_decay_0.01", "xxs_no_dropout", "xxs_192"),
        (),
    ),
}  # fmt: skip


def section(experiment: Experiment, results: dict[str, list[dict]]) -> str:
    """Markdown: the table, and of each claim how far this scale shows it.

    Args:
      experiment: what was run.
      results: `result` of each seed by the run's name.
    """
    lines = [
        f"### {experiment.title}",
        "",
        "| run | parameters | top-1 (mean) | least to most | seeds |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in experiment.runs:
        top1 = [row["final_top1"] for row in results[name]]
        lines.append(
            f"| `{' '.join(RUNS[name])}` | {results[name][0]['parameters']:,} | {statistics.mean(top1):.1%} | "
            f"{min(top1):.1%} to {max(top1):.1%} | {len(top1)} |"
        )
    if experiment.claims:
        lines += ["", *(verdict(claim, results) for claim in experiment.claims)]
    return "\n".join(lines)


def verdict(claim: Claim, results: dict[str, list[dict]]) -> str:
    """One line: the difference here, its standard error, and whether that shows what the paper says."""
    better, worse = ([row["final_top1"] for row in results[name]] for name in (claim.better, claim.worse))
    difference = statistics.mean(better) - statistics.mean(worse)
    error = math.hypot(*(standard_error(results[name]) for name in (claim.better, claim.worse)))
    if difference > 2 * error:
        word = "**shown**"
    elif difference < -2 * error:
        word = "**not shown: it is the other way round here**"
    else:
        word = "**not shown: within two standard errors**"
    return (
        f"- Paper: {claim.text}. Here `{claim.better}` minus `{claim.worse}` is {100 * difference:+.1f} points, "
        f"standard error {100 * error:.1f}: {word}."
    )


def standard_error(rows: list[dict]) -> float:
    """Of a mean top-1: that of the held-out photos, the same for all seeds, and that of the seeds."""
    top1 = [row["final_top1"] for row in rows]
    mean = statistics.mean(top1)
    seeds = statistics.variance(top1) / len(top1) if len(top1) > 1 else 0.0
    return math.sqrt(mean * (1 - mean) / rows[0]["val_images"] + seeds)


def provenance(rows: list[dict], command: str) -> str:
    """Where the numbers come from, out of the runs' own metrics."""
    first, photos = rows[0], rows[0]["val_images"]
    dates = sorted({row["finished"][:10] for row in rows})
    versions = "; ".join(sorted({_versions(row) for row in rows}))
    share = statistics.mean(row["final_top1"] for row in rows)
    return (
        f"Top-1 of the averaged weights after the last epoch, on {photos} held-out photos ({first['train_images']} to "
        f"train): one standard error of a single run is {100 * math.sqrt(share * (1 - share) / photos):.1f} points. "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {'; '.join(sorted({row['hardware'] for row in rows}))}; "
        f"{versions}; seeds {', '.join(map(str, sorted({row['seed'] for row in rows})))}; {first['epochs']} epochs.\n\n"
        f"```\n{command}\n```"
    )


def _versions(row: dict) -> str:
    return ", ".join(f"{key} {row['versions'][key]}" for key in ("python", "tensorflow", "tf-keras"))
