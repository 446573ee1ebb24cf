"""MobileViT for phones: native tf_keras training, quantisation-aware int8 TFLite, one preprocessing contract.

Importing this package loads nothing heavy: the preview and the benchmarks run without TensorFlow.
"""

__version__ = "0.1.0"
