"""What lint looks for in a Keras model before it is converted: one function a rule, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator

from edgebnn.arithmetic.packing import WORD_BITS

from .findings import Rule
from .keras_view import KerasLayer, KerasModel, quantizer_name

FUSED = ("", "relu", "relu6", "hard_tanh")
"""Activations that become part of a binary convolution."""

_NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "softmax", "exponential")

_POOLING = ("MaxPooling2D", "AveragePooling2D")

TRANSPARENT = (*_POOLING, "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Reshape", "Dropout")
"""Layers that keep the sign of what is nowhere negative."""

_NO_KERNEL = {
    "QuantDepthwiseConv2D": "depthwise",
    "QuantSeparableConv2D": "separable",
    "QuantSeparableConv1D": "separable",
    "QuantConv1D": "one-dimensional",
    "QuantConv3D": "three-dimensional",
    "QuantConv2DTranspose": "transposed",
    "QuantConv3DTranspose": "transposed",
    "QuantLocallyConnected1D": "locally connected",
    "QuantLocallyConnected2D": "locally connected",
}


def dense(model: KerasModel, layer: KerasLayer) -> str | None:
    """LCE has no binary fully connected op: a QuantDense on vectors becomes a binary convolution, others stay float."""
    lost = layer.kind == "QuantDense" and layer.binary and len(layer.option("output_shape") or ()) > 2
    return "a binary dense layer on more than vectors stays float: LCE has none" if lost else None


def other_convolution(model: KerasModel, layer: KerasLayer) -> str | None:
    """LCE's only binary convolution is the plain two-dimensional one."""
    if layer.kind not in _NO_KERNEL or not layer.binary:
        return None
    return f"a binary {_NO_KERNEL[layer.kind]} convolution stays float: LCE has only the plain two-dimensional one"


def groups(model: KerasModel, layer: KerasLayer) -> str | None:
    """Each group of a grouped binary convolution must fill whole words of 32 channels, else it stays float."""
    count, channels = layer.option("groups") or 1, layer.input_channels
    if not layer.binary_conv or count == 1 or channels is None or channels // count % WORD_BITS == 0:
        return None
    return f"stays float: its {count} groups have {channels // count} channels each, no multiple of {WORD_BITS}"


def multi_bit(model: KerasModel, layer: KerasLayer) -> str | None:
    """DoReFa, ternary and heaviside quantizers give no signs: such a layer runs in float on rounded values.

    Quantizers are tried, on the layer's weights or on some feature maps, and may be called anything.
    """
    for quantizer in layer.no_signs:
        if getattr(quantizer, "precision", None) is not None:
            return f"stays float: {quantizer_name(quantizer)} is not a sign"
    return None


def unknown_quantizer(model: KerasModel, layer: KerasLayer) -> str | None:
    """A quantizer without a precision, which gives something else than signs, leaves the layer in float."""
    for quantizer in layer.no_signs:
        if getattr(quantizer, "precision", None) is None:
            return f"stays float: the quantizer {quantizer_name(quantizer)} gives no signs"
    return None


def weights_only(model: KerasModel, layer: KerasLayer) -> str | None:
    """Binary weights with feature maps of more bits are no binary convolution: an LCE file holds them as floats, and
    multiplies in float. DoReFa's networks are of that kind."""
    if not layer.binary_weights or layer.sign_input:
        return None
    return "only its weights are binary: in an LCE file it stays float, with 32 times the bytes that w1a8 takes"


def inputs_only(model: KerasModel, layer: KerasLayer) -> str | None:
    """Binary activations with real weights are no binary convolution."""
    one_sided = layer.sign_input and not layer.kernel_quantizers
    return "only its inputs are binary: stays float" if one_sided else None


def signs_without_lce(model: KerasModel, layer: KerasLayer) -> str | None:
    """Stock TensorFlow Lite has no binary ops: signs are computed in float and multiplied as int8 or float."""
    return "binary inputs gain nothing in a stock TensorFlow Lite file" if layer.sign_input else None


def signs_in_int8(model: KerasModel, layer: KerasLayer) -> str | None:
    """Stock int8 files round small values to zero, whose sign is positive; each lost sign changes what is behind it."""
    lost = "signs of values that int8 rounds to zero are lost, so that results may be far from the model's"
    return lost if layer.sign_input else None


def same_zero_padding(model: KerasModel, layer: KerasLayer) -> str | None:
    """Zero is no sign: borders need a correction in float, and results cannot stay packed for the next layer."""
    return (
        "SAME padding with zeros costs a correction of the borders"
        if layer.binary_conv and layer.pads_with_zero
        else None
    )


def same_zero_activation(model: KerasModel, layer: KerasLayer) -> str | None:
    """With zero padding an activation after the convolution is not fused: it and the batch norm stay float ops."""
    if not layer.binary_conv or not layer.pads_with_zero:
        return None
    found = [name for name in _activations_after(model, layer) if name in FUSED]
    return f"zero padding keeps {found[0]} and the batch norm behind it from being fused" if found else None


def channels(model: KerasModel, layer: KerasLayer) -> str | None:
    """32 channels share a word: the last word of a pixel is computed whole however few of its channels exist."""
    count = layer.input_channels
    if not layer.binary_conv or count is None or count % WORD_BITS == 0 or (layer.option("groups") or 1) > 1:
        return None
    return f"{count} input channels cost as much as {-(-count // WORD_BITS) * WORD_BITS}"


def never_negative(model: KerasModel, layer: KerasLayer) -> str | None:
    """The sign of what is never negative is always +1: the layer sees a constant and learns nothing."""
    if not layer.sign_input:
        return None
    for source in _through(model, layer, TRANSPARENT):
        if source.activation in _NOT_NEGATIVE:
            return f"its inputs come from {source.activation} ('{source.name}'), so all their signs are +1"
    return None


def binary_image(model: KerasModel, layer: KerasLayer) -> str | None:
    """The sign of an image keeps almost nothing of it, and of one scaled to [0, 1] nothing at all."""
    from_input = layer.sign_input and any(model[name].kind == "InputLayer" for name in layer.sources)
    return "binarizes the model's input" if from_input else None


def activation_not_fused(model: KerasModel, layer: KerasLayer) -> str | None:
    """Activations other than ReLU, ReLU6 and hard tanh run as a float op, and the batch norm behind them too."""
    if not layer.binary_conv:
        return None
    found = [name for name in _activations_after(model, layer) if name not in FUSED]
    return f"{found[0]} after it, and a batch norm behind that, run as float ops" if found else None


def pool_before_batch_norm(model: KerasModel, layer: KerasLayer) -> str | None:
    """A batch norm right after the convolution is fused and the pooling stays binary; after the pooling neither is."""
    if layer.kind != "BatchNormalization":
        return None
    pools = [model[name] for name in layer.sources if model[name].kind in _POOLING]
    behind = [pool for pool in pools if any(model[name].binary_conv for name in pool.sources)]
    return f"comes after the pooling '{behind[0].name}', so both run in float" if behind else None


def lone_batch_norm(model: KerasModel, layer: KerasLayer) -> str | None:
    """A batch norm is free when it follows a convolution that it can be fused with; elsewhere it is a float op."""
    if layer.kind != "BatchNormalization" or not layer.sources:
        return None
    before = [model[name] for name in layer.sources]
    lone = [
        source.name for source in before if source.kind in ("Add", "Concatenate", "InputLayer", "BatchNormalization")
    ]
    return f"follows '{lone[0]}', no convolution, so stays a float multiplication and addition" if lone else None


def kernel_constraint(model: KerasModel, layer: KerasLayer) -> str | None:
    """Latent weights that leave [-1, 1] get no gradient through ste_sign any more, and stay where they are."""
    free = (
        layer.binary_weights and layer.kind in ("QuantConv2D", "QuantDense") and not layer.option("kernel_constraint")
    )
    return "binary weights without a kernel constraint stop learning once they leave [-1, 1]" if free else None


def steps(model: KerasModel, layer: KerasLayer) -> str | None:
    """Files have no loops: a recurrent layer is as many ops as it has steps, over the same weights."""
    recurrent = layer.option("forward_layer") or layer.layer
    if getattr(recurrent, "unroll", True):
        return None
    return "its steps are written out one by one in the file, as with unroll=True"


def _activations_after(model: KerasModel, layer: KerasLayer) -> list[str]:
    """The layer's own activation, or those of activation layers right behind it."""
    after = [model[name].activation for name in layer.targets if model[name].option("kernel") is None]
    return [name for name in (layer.activation, *after) if name]


def _through(model: KerasModel, layer: KerasLayer, kinds: tuple[str, ...]) -> Iterator[KerasLayer]:
    """The layers that feed ``layer``, looking through those of ``kinds``."""
    for name in layer.sources:
        source = model[name]
        if source.kind in kinds:
            yield from _through(model, source, kinds)
        else:
            yield source


_PLAIN = "use QuantConv2D with signs for inputs and weights"
_STOCK = ("int8", "w1a8", "float")

KERAS_RULES: tuple[Rule[KerasModel, KerasLayer], ...] = (
    Rule("binary-dense", "error", dense, "flatten what it is given, or use a QuantConv2D with a 1x1 kernel"),
    Rule("binary-convolution-kind", "error", other_convolution, _PLAIN),
    Rule("groups", "error", groups, "use channels per group that are a multiple of 32"),
    Rule("not-a-sign", "warning", multi_bit, "use ste_sign or approx_sign for LCE, or convert to int8"),
    Rule("unknown-quantizer", "warning", unknown_quantizer, "use ste_sign, approx_sign or swish_sign"),
    Rule("binary-weights-only", "warning", weights_only, "convert to w1a8, or binarize its inputs too"),
    Rule("binary-inputs-only", "warning", inputs_only, "binarize its weights too"),
    Rule("signs-without-lce", "warning", signs_without_lce, "convert to lce", _STOCK),
    Rule("signs-in-int8", "warning", signs_in_int8, "convert to lce with a calibration set", ("int8", "w1a8")),
    Rule("same-zero-padding", "warning", same_zero_padding, "use pad_values=1.0"),
    Rule("same-zero-activation", "warning", same_zero_activation, "use pad_values=1.0"),
    Rule("channels-off-32", "warning", channels, "use a multiple of 32"),
    Rule("sign-never-negative", "error", never_negative, "remove it, or put a batch norm in between", ("lce", *_STOCK)),
    Rule("binary-image", "warning", binary_image, "begin with a float or int8 convolution", ("lce", *_STOCK)),
    Rule("activation-not-fused", "warning", activation_not_fused, "use ReLU, ReLU6 or hard tanh, or none"),
    Rule("pool-before-batch-norm", "warning", pool_before_batch_norm, "put the batch norm before the pooling"),
    Rule("lone-batch-norm", "info", lone_batch_norm, "put it right after a convolution", ("lce", *_STOCK)),
    Rule("steps-written-out", "info", steps, "give it fewer steps if the file is too large", ("lce", *_STOCK)),
    Rule("kernel-constraint", "info", kernel_constraint, 'use kernel_constraint="weight_clip"', ("lce", *_STOCK)),
)
