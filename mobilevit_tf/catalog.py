"""Every model of this project, once: one line each. No TensorFlow.

Flags, the printed table, model cards, metadata, reports and benchmarks read it. A new model is one file in `families/`
and one line here (CONTRIBUTING.md). Published weights have one line each in `PUBLISHED`.
"""

from __future__ import annotations

import dataclasses
import difflib

from mobilevit_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Model:
    """What is known of a model without building it.

    Attributes:
      module: its file in `families/`, with its folder where it is in one.
      title: shown to people.
      citation: where it was published.
      dropout: published rates (in the transformers, before the classifier).
      top1: published ImageNet-1k top-1 accuracy in percent; None where nothing is published.
      parameters: that train, for 1,000 classes.
      macs: multiply-accumulates of one image at `size`, in millions, for 1,000 classes.
      size: side of the square input in pixels at which the model was published.
      weights_license: of the published weights that `pretrained` reads; "" where it reads none.
    """

    module: str
    title: str
    citation: str
    dropout: tuple[float, float]
    top1: float | None
    parameters: int
    macs: float
    size: int = 224
    weights_license: str = ""


_APPLE = "Apple's: the file LICENSE of github.com/apple/ml-cvnets"  # every publisher passes on what Apple trained
_MOBILEVIT = "Mehta and Rastegari, MobileViT, arXiv 2110.02178"
_MOBILEVIT_V2 = "Mehta and Rastegari, MobileViTv2, arXiv 2206.02680"
_MOBILENET_V1 = "Howard et al., MobileNets, arXiv 1704.04861"
_MOBILENET_V2 = "Sandler et al., MobileNetV2, arXiv 1801.04381"
_MOBILENET_V3 = "Howard et al., MobileNetV3, arXiv 1905.02244"
_RESNET = "He et al., ResNet, arXiv 1512.03385"
_DENSENET = "Huang et al., DenseNet, arXiv 1608.06993"
_EFFICIENTNET = "Tan and Le, EfficientNet, arXiv 1905.11946"
_MOBILENET_V4 = "Qin et al., MobileNetV4, arXiv 2404.10518"
_DEIT = "Touvron et al., DeiT, arXiv 2012.12877"
_CEIT = "Yuan et al., CeiT, arXiv 2103.11816"
_PVT = "Wang et al., PVT, arXiv 2102.12122"
_T2T = "Yuan et al., T2T-ViT, arXiv 2101.11986"
_CAIT = "Touvron et al., CaiT, arXiv 2103.17239"
_DEEPVIT = "Zhou et al., DeepViT, arXiv 2103.11886"
_SHUFFLENET_V2 = "Ma et al., ShuffleNetV2, arXiv 1807.11164"
_SENET = "Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507"
_ESPNET_V2 = "Mehta et al., ESPNetv2, arXiv 1811.11431"
_BOTNET = "Srinivas et al., BoTNet, arXiv 2101.11605"
_FORMER = "Chen et al., Mobile-Former, arXiv 2108.05895"
_KERAS = "keras_applications"
_V2 = "mobilevit_v2"
_PIT = "Heo et al., PiT, arXiv 2103.16302"
_LOCALVIT = "Li et al., LocalViT, arXiv 2104.05707"
_CONVIT = "d'Ascoli et al., ConViT, arXiv 2103.10697"
_VIL = "Zhang et al., Multi-Scale Vision Longformer, arXiv 2103.15358"
_CROSSVIT = "Chen et al., CrossViT, arXiv 2103.14899"

MODELS: dict[str, Model] = {
    "xxs": Model("mobilevit", "MobileViT-XXS", _MOBILEVIT, (0.05, 0.1), 69.0, 1_272_024, 407.4, 256, _APPLE),
    "xs": Model("mobilevit", "MobileViT-XS", _MOBILEVIT, (0.1, 0.1), 74.8, 2_317_848, 1025.9, 256, _APPLE),
    "s": Model("mobilevit", "MobileViT-S", _MOBILEVIT, (0.1, 0.1), 78.4, 5_578_632, 2000.8, 256, _APPLE),
    # MobileViT's blocks with a few thousand parameters: whole commands run in seconds on it.
    "tiny": Model("mobilevit", "MobileViT-TINY", _MOBILEVIT, (0.1, 0.1), None, 27_628, 17.1, 256, _APPLE),
    "mobilenet_v1": Model(_KERAS, "MobileNetV1", _MOBILENET_V1, (0.0, 0.001), 70.6, 4_231_976, 568.7),
    "mobilenet_v2": Model(_KERAS, "MobileNetV2", _MOBILENET_V2, (0.0, 0.0), 72.0, 3_504_872, 300.8),
    # As many parameters as MobileViT-XXS for five classes.
    "mobilenet_v2_060": Model(_KERAS, "MobileNetV2 0.60", _MOBILENET_V2, (0.0, 0.0), None, 2_217_000, 151.0),
    "mobilenet_v3": Model(_KERAS, "MobileNetV3-Large", _MOBILENET_V3, (0.0, 0.2), 75.2, 5_483_032, 216.6),
    "resnet50": Model(_KERAS, "ResNet-50", _RESNET, (0.0, 0.0), 75.3, 25_583_592, 3858.0),
    "densenet121": Model(_KERAS, "DenseNet-121", _DENSENET, (0.0, 0.0), 75.0, 7_978_856, 2834.2),
    "efficientnet_b0": Model(_KERAS, "EfficientNet-B0", _EFFICIENTNET, (0.0, 0.2), 77.1, 5_288_548, 385.8),
    "vit_ti": Model("transformers.deit", "DeiT-Ti", _DEIT, (0.0, 0.0), 72.2, 5_717_416, 1253.7),
    "mobilenet_v4_s": Model("mobilenet_v4", "MobileNetV4-Conv-S", _MOBILENET_V4, (0.0, 0.3), 73.8, 3_774_024, 186.0),
    "v2_050": Model(_V2, "MobileViTv2-0.5", _MOBILEVIT_V2, (0.0, 0.0), 70.2, 1_370_593, 444.3, 256, _APPLE),
    "v2_075": Model(_V2, "MobileViTv2-0.75", _MOBILEVIT_V2, (0.0, 0.0), 75.6, 2_866_009, 982.0, 256, _APPLE),
    "v2_100": Model(_V2, "MobileViTv2-1.0", _MOBILEVIT_V2, (0.0, 0.0), 78.1, 4_901_841, 1730.2, 256, _APPLE),
    "v2_125": Model(_V2, "MobileViTv2-1.25", _MOBILEVIT_V2, (0.0, 0.0), 79.65, 7_478_089, 2688.8, 256, _APPLE),
    "v2_150": Model(_V2, "MobileViTv2-1.5", _MOBILEVIT_V2, (0.0, 0.0), 80.4, 10_594_753, 3857.9, 256, _APPLE),
    "v2_175": Model(_V2, "MobileViTv2-1.75", _MOBILEVIT_V2, (0.0, 0.0), 80.8, 14_251_833, 5237.4, 256, _APPLE),
    "v2_200": Model(_V2, "MobileViTv2-2.0", _MOBILEVIT_V2, (0.0, 0.0), 81.2, 18_449_329, 6827.3, 256, _APPLE),
    "ceit_t": Model("transformers.ceit", "CeiT-T", _CEIT, (0.0, 0.0), 76.4, 6_356_904, 1395.3),
    "pvt_tiny": Model("transformers.pvt", "PVT-Tiny", _PVT, (0.0, 0.0), 75.1, 13_229_288, 1932.9),
    "t2t_vit_7": Model("transformers.t2t", "T2T-ViT-7", _T2T, (0.1, 0.0), 71.7, 4_255_694, 1146.9),
    "t2t_vit_12": Model("transformers.t2t", "T2T-ViT-12", _T2T, (0.1, 0.0), 76.5, 6_887_374, 1762.6),
    "cait_xxs24": Model("transformers.cait", "CaiT-XXS24", _CAIT, (0.0, 0.0), 77.6, 11_956_264, 2523.5),
    "deepvit_16": Model("transformers.deepvit", "DeepViT-16", _DEEPVIT, (0.0, 0.0), 79.1, 24_426_664, 5272.3),
    "deepvit_s": Model("transformers.deepvit", "DeepViT-S", _DEEPVIT, (0.0, 0.0), 81.4, 27_312_632, 6361.3),
    "pit_ti": Model("transformers.pit", "PiT-Ti", _PIT, (0.0, 0.0), 73.0, 4_847_272, 699.1),
    "pit_xs": Model("transformers.pit", "PiT-XS", _PIT, (0.0, 0.0), 78.1, 10_618_888, 1394.7),
    "localvit_t": Model("transformers.localvit", "LocalViT-T", _LOCALVIT, (0.0, 0.0), 74.8, 5_908_696, 1266.5),
    # As large as the LocalViT that MobileViT's paper compares with (76.1 there), but published without an accuracy.
    "localvit_t_mlp6": Model("transformers.localvit", "LocalViT-T-6", _LOCALVIT, (0.0, 0.0), None, 7_655_080, 1621.3),
    "crossvit_ti": Model("transformers.crossvit", "CrossViT-Ti", _CROSSVIT, (0.0, 0.0), 73.4, 7_014_800, 1562.7, 240),
    "crossvit_9": Model("transformers.crossvit", "CrossViT-9", _CROSSVIT, (0.0, 0.0), 73.9, 8_553_296, 1840.8, 240),
    "convit_ti": Model("transformers.convit", "ConViT-Ti", _CONVIT, (0.0, 0.0), 73.1, 5_710_512, 1247.8),
    "convit_ti_plus": Model("transformers.convit", "ConViT-Ti+", _CONVIT, (0.0, 0.0), 76.7, 9_972_912, 2126.5),
    "vil_tiny_rpb": Model("transformers.vil", "ViL-Tiny-RPB", _VIL, (0.0, 0.0), 76.7, 6_719_698, 1431.6),
    "shufflenet_v2": Model("shufflenet", "ShuffleNetV2 1.0x", _SHUFFLENET_V2, (0.0, 0.0), 69.4, 2_278_604, 144.9),
    "seresnet50": Model("resnet", "SE-ResNet-50", _SENET, (0.0, 0.0), 76.7, 28_088_024, 4091.7),
    "seresnet101": Model("resnet", "SE-ResNet-101", _SENET, (0.0, 0.0), 77.6, 49_326_872, 7806.1),
    "espnetv2_100": Model("espnet", "ESPNetv2 s = 1.0", _ESPNET_V2, (0.0, 0.2), 66.1, 1_666_942, 86.7),
    "espnetv2_150": Model("espnet", "ESPNetv2 s = 1.5", _ESPNET_V2, (0.0, 0.2), 69.2, 2_310_190, 169.6),
    # Top-1 as the MobileViT paper quotes it (Figure 7); the paper of BoTNet varies image size and recipe.
    "bot50": Model("botnet", "BoT50", _BOTNET, (0.0, 0.0), 77.0, 20_852_008, 4021.3),
    "mobile_former_26m": Model("mobile_former", "Mobile-Former-26M", _FORMER, (0.0, 0.1), 64.0, 3_232_788, 23.6),
    "mobile_former_96m": Model("mobile_former", "Mobile-Former-96M", _FORMER, (0.0, 0.2), 72.8, 4_585_252, 92.0),
    "mobile_former_214m": Model("mobile_former", "Mobile-Former-214M", _FORMER, (0.0, 0.2), 76.7, 9_425_920, 208.4),
    # Top-1 as the MobileViT paper quotes them (Figure 6c).
    "resnet101": Model(_KERAS, "ResNet-101", _RESNET, (0.0, 0.0), 77.4, 44_601_832, 7570.2),
    "densenet169": Model(_KERAS, "DenseNet-169", _DENSENET, (0.0, 0.0), 76.2, 14_149_480, 3359.8),
}


@dataclasses.dataclass(frozen=True)
class Published:
    """Weights for ImageNet-1k that lie under a name on the Hugging Face hub and that `pretrained` reads.

    Attributes:
      variant: the model.
      publisher: whose names and preprocessing they have (`pretrained.layouts.Family.namings`).
      top1: on ImageNet-1k's 50,000 validation photos in percent, as the publisher gives it.
      size: side in pixels of the input that they were trained for.
    """

    variant: str
    publisher: str
    top1: float
    size: int = 256


# By repository. top1: from timm's table of results, or Apple's. For `IMAGENET` a variant's first line counts.
PUBLISHED: dict[str, Published] = {
    "timm/mobilevit_xxs.cvnets_in1k": Published("xxs", "timm", 68.94),
    "timm/mobilevit_xs.cvnets_in1k": Published("xs", "timm", 74.62),
    "timm/mobilevit_s.cvnets_in1k": Published("s", "timm", 78.30),
    "timm/mobilevitv2_050.cvnets_in1k": Published("v2_050", "timm", 70.16),
    "timm/mobilevitv2_075.cvnets_in1k": Published("v2_075", "timm", 75.61),
    "timm/mobilevitv2_100.cvnets_in1k": Published("v2_100", "timm", 78.09),
    "timm/mobilevitv2_125.cvnets_in1k": Published("v2_125", "timm", 79.68),
    "timm/mobilevitv2_150.cvnets_in1k": Published("v2_150", "timm", 80.38),
    "timm/mobilevitv2_175.cvnets_in1k": Published("v2_175", "timm", 80.87),
    "timm/mobilevitv2_200.cvnets_in1k": Published("v2_200", "timm", 81.15),
    "timm/mobilevitv2_150.cvnets_in22k_ft_in1k": Published("v2_150", "timm", 81.47),
    "timm/mobilevitv2_175.cvnets_in22k_ft_in1k": Published("v2_175", "timm", 81.95),
    "timm/mobilevitv2_200.cvnets_in22k_ft_in1k": Published("v2_200", "timm", 82.32),
    "timm/mobilevitv2_150.cvnets_in22k_ft_in1k_384": Published("v2_150", "timm", 82.61, 384),
    "timm/mobilevitv2_175.cvnets_in22k_ft_in1k_384": Published("v2_175", "timm", 82.92, 384),
    "timm/mobilevitv2_200.cvnets_in22k_ft_in1k_384": Published("v2_200", "timm", 83.43, 384),
    "apple/mobilevit-xx-small": Published("xxs", "huggingface", 69.0),
    "apple/mobilevit-x-small": Published("xs", "huggingface", 74.8),
    "apple/mobilevit-small": Published("s", "huggingface", 78.4),
    "apple/mobilevitv2-1.0-imagenet1k-256": Published("v2_100", "huggingface", 78.09),
    "apple/mobilevitv2-2.0-imagenet1k-256": Published("v2_200", "huggingface", 81.17),
}
IMAGENET = "imagenet"  # the published weights of whatever variant is chosen


def find(name: str) -> Model:
    """The model of that name.

    Raises:
      UserError: for an unknown name, with those that come close.
    """
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, cutoff=0.4)
        meant = f", did you mean {' or '.join(close)}" if close else ""
        raise UserError(f"variant {name!r} is not known{meant}: `python -m mobilevit_tf.mobilevit` lists all of them")
    return MODELS[name]


def of_family(module: str) -> tuple[str, ...]:
    """The names of one family's models."""
    return tuple(name for name, model in MODELS.items() if model.module == module)


def table() -> str:
    """One line per model, as text."""
    lines = [f"{'variant':17} {'parameters':>11} {'MACs (M)':>9}  {'input':>5}  {'published top-1':15}  model"]
    for name, model in MODELS.items():
        top1 = "-" if model.top1 is None else f"{model.top1:.1f} %"
        numbers = f"{model.parameters:11,} {model.macs:9.1f}  {model.size:5}"
        lines.append(f"{name:17} {numbers}  {top1:15}  {model.title} ({model.citation})")
    return "\n".join(lines)
