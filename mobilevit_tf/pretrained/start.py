"""The weights that a run starts from: another run's, or published ones by their name."""

from __future__ import annotations

import dataclasses

from mobilevit_tf import catalog
from mobilevit_tf.errors import UserError
from mobilevit_tf.models import model_file
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained import hub, hub_names, weight_files
from mobilevit_tf.pretrained.convert import convert, in_order
from mobilevit_tf.pretrained.hub import Fetched
from mobilevit_tf.pretrained.hub_names import Reference
from mobilevit_tf.pretrained.weight_files import PublishedWeights


def check(text: str, variant: str) -> None:
    """Raises UserError where `text` names no weights, or those of another variant, without asking the network."""
    reference = hub_names.find(text, variant)
    if reference is not None and reference.weights.variant != variant:
        raise UserError(f"{text} are weights of {catalog.find(reference.weights.variant).title}: pass "
                        f"--variant={reference.weights.variant}")  # fmt: skip


def load(text: str, variant: str) -> ModelFile:
    """The model to start from.

    Args:
      text: run directory, or a name of `catalog.PUBLISHED` (`hub_names.find`); such weights take RGB here.
      variant: the model that is trained.

    Raises:
      UserError: as `check`, `hub.fetch`, `weight_files.read` and `convert` do.
    """
    check(text, variant)
    reference = hub_names.find(text, variant)
    if reference is None:
        return model_file.load(text)
    fetched = hub.fetch(reference)
    return in_order(from_hub(reference, fetched, read(reference, fetched)), "RGB")


def read(reference: Reference, fetched: Fetched) -> PublishedWeights:
    """The weights in a fetched file, which must be those of its publisher.

    Raises:
      UserError: the file holds something else.
    """
    try:
        weights = weight_files.read(fetched.path)
    except UserError as error:
        raise UserError(f"{reference.repository}: {error}; {hub.by_hand(reference)}") from error
    if weights.publisher != reference.weights.publisher:
        raise UserError(f"{fetched.path.name} of {reference.repository} holds weights as {weights.publisher} names "
                        f"them, expected {reference.weights.publisher}: use another name")  # fmt: skip
    return weights


def from_hub(reference: Reference, fetched: Fetched, weights: PublishedWeights, side: int | None = None) -> ModelFile:
    """`convert` of fetched weights, with source and published accuracy written into the model.

    `side` is of the input in pixels where it is not the one that the name stands for.
    """
    expected, name = reference.weights, f"{fetched.path.name} of {reference.repository}"
    model = convert(weights, expected.variant, name, side or expected.size)
    accuracy = f"{expected.top1:.2f} % top-1 on ImageNet-1k as published"
    return dataclasses.replace(model, origin=f"{reference.repository}@{fetched.commit} ({accuracy})")


def announcement(model: ModelFile) -> tuple[str, str]:
    """Two lines about published weights: source and accuracy, then the licence."""
    return (
        f"weights: {catalog.find(model.config.variant).title} from {model.origin}",
        f"licence of these weights and of every model that is trained from them: {model.license}",
    )
