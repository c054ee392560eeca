"""Learning from a parent network: its logits say how alike classes are (Hinton et al., NIPS workshop 2014)."""

from __future__ import annotations

from typing import Any

from edgebnn._tensorflow import keras, tf
from edgebnn.training.method import Loss, cross_entropy
from edgebnn.training.plans import Distillation


def distilled(parent: keras.Model, settings: Distillation) -> Loss:
    """Cross-entropy with the labels, mixed with the divergence from ``parent``'s answers to the same images.

    The divergence (Kullback-Leibler, in nats) counts temperature squared times: its gradients then have the size of
    the labels' (Hinton et al., 2014, section 2). ``parent`` answers in inference mode and is not changed.
    """
    temperature, weight = settings.temperature, settings.weight

    def loss(images: Any, labels: Any, logits: Any) -> Any:
        taught = tf.nn.log_softmax(tf.stop_gradient(parent(images, training=False)) / temperature)
        learnt = tf.nn.log_softmax(logits / temperature)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(taught) * (taught - learnt), axis=-1))
        return (1 - weight) * cross_entropy(images, labels, logits) + weight * temperature**2 * divergence

    return loss
