"""On which devices and machines a run computes."""

from __future__ import annotations

import json
import os

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.errors import UserError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """ "mirrored": every GPU of this machine, or its one CPU; "multi_worker": TF_CONFIG's; "one_device"."""
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        if "cluster" not in json.loads(os.environ.get("TF_CONFIG") or "{}"):
            raise UserError("strategy multi_worker needs TF_CONFIG with a cluster and a task: see the README")
        return tf.distribute.MultiWorkerMirroredStrategy()
    device = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
    return tf.distribute.OneDeviceStrategy(device)


def place_in_cluster(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(index of this host, number of hosts); the chief, where TF_CONFIG names one, is host 0."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return index, chiefs + workers


def sum_of_replicas(strategy: tf.distribute.Strategy, value: float) -> float:
    """Sum of every replica's value, on all workers: each of them must call this."""
    values = strategy.run(tf.identity, (tf.constant(value, tf.float64),))
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
