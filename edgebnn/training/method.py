"""What a recipe and its additions become in Keras: the optimizer, the loss, and what else a training does.

Learning from a parent network: its logits say how alike classes are (Hinton et al., NIPS workshop 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edgebnn._tensorflow import keras, tf
from edgebnn.models.rebuild import bare
from edgebnn.training.plans import Distillation
from edgebnn.training.recipe import Recipe

Loss: TypeAlias = Callable[[Any, Any, Any], Any]
"""(images float [N, H, W, C], labels int32 [N], logits [N, classes]) -> a scalar."""


def cross_entropy(images: Any, labels: Any, logits: Any) -> Any:
    """Mean over the images, in nats."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)


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


def nothing(done: float) -> None:
    """Before a step of the plain training."""


@dataclass(frozen=True)
class Method:
    """How :func:`.loop.train` trains. The default is the plain training.

    Attributes:
        loss: to be minimised; regularization losses of the layers are added to it.
        before_step: told before each step, and before an epoch is judged, what share of the run is done, in [0, 1].
            What it changes must follow from that share alone, so that a resumed run is the same.
        result: of the trained model makes the one that is saved.
        identity: plain values that tell this method from others; a run folder is not continued by another.
    """

    loss: Loss = cross_entropy
    before_step: Callable[[float], None] = nothing
    result: Callable[[Any], Any] = lambda model: model
    identity: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Method()


def make_optimizer(model: keras.Model, recipe: Recipe) -> Any:
    """The optimizer, built, so that its variables can be restored before the first step."""
    decay = recipe.weight_decay or None
    if recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(recipe.learning_rate, weight_decay=decay)
    else:
        optimizer = keras.optimizers.SGD(recipe.learning_rate, momentum=0.9, weight_decay=decay)
    decayed = {
        id(weight)
        for layer in model._flatten_layers(include_self=False)
        if isinstance(bare(layer), keras.layers.Conv2D | keras.layers.Dense)
        and getattr(bare(layer), "kernel_quantizer", None) is None  # only the sign of a latent weight counts
        for weight in layer.trainable_weights
        if len(weight.shape) > 1  # the kernel, of which a quantization-aware layer only keeps the rounded values
    }
    optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if id(v) not in decayed])
    optimizer.build(model.trainable_variables)
    return optimizer
