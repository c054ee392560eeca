from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebnn
from edgebnn.converters.convert import Target, convert
from edgebnn.converters.read_tflite import read
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.types import DType
from tests.support.oracles import litert
from tests.support.topologies import build, images

pytest.importorskip("larq_compute_engine", reason="conversion needs the training extra")

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.converters import from_keras


@pytest.fixture(scope="module")
def model() -> Any:
    """A float stem, one binary convolution and a dense head."""
    image = keras.layers.Input((8, 8, 3))
    x = keras.layers.Conv2D(32, 3)(image)
    x = lq.layers.QuantConv2D(32, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)), name="tiny")


def samples(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random((count, 8, 8, 3), np.float32)


def _kinds(path: Path) -> list[str]:
    return [op.kind for op in read(path).ops]


# -- loading --


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model"])
def test_a_saved_larq_model_is_loaded_with_its_weights(model: Any, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / name, **({} if name != "model" else {"save_format": "tf"}))
    loaded = from_keras.load_model(str(tmp_path / name))
    assert np.array_equal(loaded(samples(2)), model(samples(2)))


def _scaled_sign(x: Any) -> Any:
    return tf.reduce_mean(tf.abs(x), axis=list(range(len(x.shape) - 1)), keepdims=True) * lq.quantizers.ste_sign(x)


def _own_sign(x: Any) -> Any:
    return lq.quantizers.ste_sign(x)


def test_a_saved_model_whose_quantizers_nobody_registered_has_larqs_layers_and_binary_weights(tmp_path: Path) -> None:
    layers, larq = keras.layers, lq.layers
    quantizers = {"input_quantizer": _own_sign, "kernel_quantizer": _scaled_sign, "kernel_constraint": "weight_clip"}
    inner_input = layers.Input((6, 6, 32))
    conv = larq.QuantConv2D(32, 3, padding="same", pad_values=1.0, use_bias=False, name="inner", **quantizers)
    inner = keras.Model(inner_input, layers.BatchNormalization()(conv(inner_input)))
    image = layers.Input((8, 8, 3))
    x = layers.Flatten()(inner(layers.Conv2D(32, 3)(image)))
    x = larq.QuantDense(40, name="wide", **quantizers)(x)
    original = keras.Model(image, layers.Dense(4)(x))
    original.save(tmp_path / "saved", save_format="tf")
    model = from_keras.load_model(str(tmp_path / "saved"))
    assert np.array_equal(model(samples(3)), original(samples(3)))
    binary = {layer.name: layer for layer in model.submodules if layer.name in ("inner", "wide")}
    assert {type(layer) for layer in binary.values()} == {larq.QuantConv2D, larq.QuantDense}
    kernel = binary["wide"].kernel
    expected = _scaled_sign(kernel.latent_variable.numpy())
    np.testing.assert_array_equal(kernel.quantizer(kernel.latent_variable.numpy()), expected)
    result = convert(model, tmp_path / "out.tflite")
    assert _kinds(result.path).count("LceBconv2d") == 2
    assert not {finding.rule for finding in result.findings} & {"unknown-quantizer", "constants-computed"}


def test_a_function_of_the_current_folder_gives_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_builders.py").write_text(
        "from tests.support.topologies import build, images\ndef tiny(): return build('same_zero')"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert from_keras.load_model("my_builders:tiny").name == "same_zero"
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent.keras", "no such file"),
        ("a" * 256, "no such file"),
        ("no_such_module:build", "no_such_module"),
        ("tests.support.topologies:nothing", "no function nothing"),
        ("tests.support.topologies:build", "the function failed"),
        ("tests.support.topologies:images", "gives ndarray, not a Keras 2 model"),
    ],
)
def test_what_gives_no_model_is_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_keras.load_model(spec)
    assert str(caught.value).startswith(spec)
    assert "\n" not in str(caught.value)


_BROKEN_BUILDERS = """
class Own(Exception):
    pass

class Unprintable(Own):
    def __str__(self):
        return "first\\nsecond"

def raises():
    raise Own("no such width")

def nests():
    return raises()

def misuses():
    import json
    return json.loads("{")

def lines():
    raise Unprintable

def leaves():
    raise SystemExit(0)
"""


@pytest.mark.parametrize(
    ("function", "what", "line", "place"),
    [
        ("raises", "Own: no such width", 10, "raises"),
        ("nests", "Own: no such width", 10, "raises"),
        ("misuses", "JSONDecodeError: ", 17, "misuses"),
        ("lines", "Unprintable: first", 20, "lines"),
        ("leaves", "SystemExit: 0", 23, "leaves"),
    ],
)
def test_whatever_a_users_function_raises_is_one_line_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, what: str, line: int, place: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_builders", raising=False)
    module = tmp_path / "broken_builders.py"
    module.write_text(_BROKEN_BUILDERS)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as caught:
        from_keras.load_model(f"broken_builders:{function}")
    message = str(caught.value)
    assert message.startswith(f"broken_builders:{function}: the function failed ({what}")
    assert message.endswith(f"; {module}, line {line}, in {place})")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("raising_module", "class Own(Exception):\n    pass\n\nraise Own('later')", 4),
        ("garbled_module", "\ndef (", 2),
    ],
)
def test_a_users_module_that_cannot_be_imported_is_one_line_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, line: int
) -> None:
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match=rf"{name}:build: the module {name} cannot .*{name}\.py, line {line}"
    ) as caught:
        from_keras.load_model(f"{name}:build")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_function_that_an_h5_file_does_not_give_back_is_kept_by_a_keras_file(tmp_path: Path) -> None:
    layer = lq.layers.QuantDense(3, kernel_quantizer=_own_sign, input_shape=(4,))
    keras.Sequential([layer]).save(tmp_path / "model.h5")
    with pytest.raises(InputError, match=r"plain functions are found again in \.keras files alone") as caught:
        from_keras.load_model(str(tmp_path / "model.h5"), [__name__])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_and_a_folder_without_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"not a zip file")
    for path in (tmp_path / "broken.keras", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            from_keras.load_model(str(path))


_OWN_LAYER = """
from edgebnn._tensorflow import keras

class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_module_named_for_import_makes_its_layers_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "own_layers.py").write_text(_OWN_LAYER)
    monkeypatch.chdir(tmp_path)
    with keras.utils.custom_object_scope({}):
        scope: dict[str, Any] = {}
        exec(_OWN_LAYER, scope)  # a class of no module that could be imported from the file's own words
        image = keras.layers.Input((4,))
        keras.Model(image, scope["Doubled"]()(image)).save(tmp_path / name)
    with pytest.raises(InputError, match=r"--import, in Python load_model\(imports=...\), or give package.module:func"):
        from_keras.load_model(name)
    try:
        loaded = from_keras.load_model(name, ["own_layers"])
    finally:
        keras.utils.get_custom_objects().pop("Doubled", None)
        sys.modules.pop("own_layers", None)
    np.testing.assert_array_equal(loaded(np.ones((1, 4), np.float32)), 2 * np.ones((1, 4)))


def test_a_lambda_layer_is_refused_with_the_way_out(tmp_path: Path) -> None:
    image = keras.layers.Input((4,))
    keras.Model(image, keras.layers.Lambda(lambda x: x + 1)(image)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"Lambda layer.*package\.module:function.*safe_mode=False"):
        from_keras.load_model(str(tmp_path / "model.keras"))


# -- converting --


def test_lce_float_and_int8_give_what_they_say(model: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.tflite"
    result = convert(model, out, "lce")
    assert _kinds(out).count("LceBconv2d") == 1
    assert (result.path, result.bytes) == (out, out.stat().st_size)
    convert(model, out, "float")
    assert "LceBconv2d" not in _kinds(out)
    interpreter = litert(out.read_bytes(), [samples(1)])
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.allclose(output, model(samples(1)), atol=1e-4)
    result = convert(model, out, "int8", samples(8))
    graph = read(out)
    assert graph.tensors[graph.inputs[0]].dtype is graph.tensors[graph.outputs[0]].dtype is DType.INT8
    assert "calibration-few-samples" in [finding.rule for finding in result.findings]
    assert capfd.readouterr() == ("", ""), "conversion prints nothing"


def test_fake_quantization_needs_no_calibration_and_gives_an_int8_lce_file(model: Any, tmp_path: Path) -> None:
    trained, out = build("residual_int8"), tmp_path / "out.tflite"
    assert from_keras.has_fake_quantization(trained)
    assert not from_keras.has_fake_quantization(model)
    convert(trained, out, "lce")
    graph = read(out)
    assert {graph.tensors[op.outputs[0]].dtype for op in graph.ops if op.kind == "LceBconv2d"} == {DType.INT8}


def test_calibration_makes_everything_around_binary_convolutions_int8(tmp_path: Path) -> None:
    trained, out = build("residual_float"), tmp_path / "out.tflite"
    inputs = images(64)
    assert convert(trained, out, "lce", inputs).findings == ()
    graph = read(out)
    computed = {(op.kind, graph.tensors[op.outputs[0]].dtype) for op in graph.ops}
    assert {kind for kind, dtype in computed if dtype is DType.FLOAT32} == {"DEQUANTIZE"}
    assert ("LceBconv2d", DType.INT8) in computed
    output = graph.tensors[graph.ops[-1].inputs[0]].quantization
    assert output is not None
    extremes = trained(inputs).numpy()
    assert output.scale[0] * 255 == pytest.approx(max(extremes.max(), 0) - min(extremes.min(), 0), rel=1e-3)


def test_a_sequential_model_is_calibrated_with_its_own_weights(tmp_path: Path) -> None:
    layers = keras.layers
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)]
    trained = keras.Sequential([layers.Input((8, 8, 3)), *stack])
    convert(trained, tmp_path / "out.tflite", "lce", samples(64))
    interpreter = litert((tmp_path / "out.tflite").read_bytes(), [samples(1)])
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.allclose(output, trained(samples(1)), atol=0.03)


@pytest.mark.parametrize(
    "pool",
    [
        lambda y: [keras.layers.AveragePooling2D(3, 2)(y)],
        lambda y: [keras.layers.ReLU()(keras.layers.AveragePooling2D(3, 2)(y))],
        lambda y: [keras.layers.MaxPooling2D(3, 2)(y), keras.layers.Conv2D(3, 1)(y)],
        lambda y: [y[:, :1, :1], keras.layers.Conv2D(3, 1)(y)],
    ],
    ids=["average", "average and activation", "greatest beside others", "part beside others"],
)
def test_padding_with_ones_cuts_nothing_before_a_pooling_in_int8(pool: Any, tmp_path: Path) -> None:
    """TensorFlow Lite's calibration gives what a PADV2 reads, and a pooling before it, the range of its results."""
    values = np.random.default_rng(0).normal(size=(40, 9, 9, 3)).astype(np.float32)
    x, normal = keras.Input((9, 9, 3), name="x"), keras.initializers.RandomNormal(0, 0.3, seed=1)
    y = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=normal, name="y")(x)
    pooled, *others = pool(y)
    ones = {"padding": "same", "pad_values": 1.0, "kernel_quantizer": "ste_sign", "kernel_initializer": normal}
    model = keras.Model(x, [lq.layers.QuantConv2D(8, 3, **ones)(pooled), *others])
    convert(model, tmp_path / "out.tflite", "int8", values)
    results, expected = edgebnn.load(tmp_path / "out.tflite")(values), model(values)
    for result, y in zip(results, expected, strict=True) if others else [(results, np.asarray(expected))]:
        np.testing.assert_allclose(result, y, atol=0.03 * np.ptp(y))


@pytest.mark.parametrize(
    "choice",
    [
        lambda y: tf.clip_by_value(y, -0.5, 0.5),
        lambda y: tf.maximum(y, -tf.nn.elu(y)),
        lambda y: tf.where(y > 0, 0.1, y),
    ],
    ids=["clipped", "chosen in float", "masked"],
)
def test_what_an_op_leaves_out_is_there_for_others_in_int8(choice: Any, tmp_path: Path) -> None:
    """TensorFlow Lite's calibration gives whatever MINIMUM, MAXIMUM and SELECT read the range of their results."""
    values = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    x = keras.Input((6,), name="x")
    y = keras.layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0, 1.0, seed=1), name="y")(x)
    model = keras.Model(x, [keras.layers.Dense(3)(choice(y)), y * 1.5])
    convert(model, tmp_path / "out.tflite", "int8", values)
    expected = np.asarray(model(values)[1])
    graph = read(tmp_path / "out.tflite")
    assert {graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)} == {DType.INT8}
    result = edgebnn.load(tmp_path / "out.tflite")(values)[1]
    np.testing.assert_allclose(result, expected, atol=0.02 * np.ptp(expected))


@pytest.mark.parametrize(
    ("quantizer", "binary"),
    [
        (lq.quantizers.SteTern(0.3), False),
        (lambda x: tf.sign(tf.sign(x) + tf.nn.relu(x) - 1), False),
        (lambda x: tf.sign(tf.sign(x) + tf.constant([0.1, -0.1])), False),
        ("ste_sign", True),
    ],
    ids=["ternary", "moved by itself", "by channel", "binary"],
)
def test_signs_are_binary_in_lce_files_only_where_they_are(quantizer: Any, binary: bool, tmp_path: Path) -> None:
    """LCE's converter takes the sign of a sign and anything for a binary one."""
    x = keras.Input((4, 4, 2))
    layer = lq.layers.QuantConv2D(
        3, 3, input_quantizer=quantizer, kernel_quantizer="ste_sign", kernel_constraint="weight_clip"
    )
    model = keras.Model(x, layer(x))
    values = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    convert(model, tmp_path / "out.tflite", "lce")
    np.testing.assert_allclose(edgebnn.load(tmp_path / "out.tflite")(values), model(values), atol=1e-5)
    assert ("LceBconv2d" in {op.kind for op in read(tmp_path / "out.tflite").ops}) == binary


@pytest.mark.parametrize("drawn", [[-1.0, -0.1, 0.1, 1.0], [-1.0, -0.1, 0.1]], ids=["both signs", "one sign"])
@pytest.mark.parametrize("to", ["int8", "lce"])
def test_opposite_signs_add_up_to_zero_in_int8(to: str, drawn: list[float], tmp_path: Path) -> None:
    """TensorFlow Lite's calibration makes -1 and 0.996 of them, or -1.004, whose sum has a sign: zeros became ones."""
    x = keras.Input((5, 5, 4))
    layer = lq.layers.QuantConv2D(
        3, 3, input_quantizer=lq.quantizers.SteTern(0.3), kernel_quantizer="ste_sign", kernel_constraint="weight_clip"
    )
    model = keras.Model(x, layer(x))
    values = np.random.default_rng(0).choice(drawn, (32, 5, 5, 4)).astype(np.float32)
    convert(model, tmp_path / "out.tflite", to, values)
    np.testing.assert_allclose(edgebnn.load(tmp_path / "out.tflite")(values), model(values), atol=0.2)


def test_what_falls_back_to_float_is_found_before_and_after(tmp_path: Path) -> None:
    layer = lq.layers.QuantConv2D(
        64, 3, groups=4, input_quantizer="ste_sign", kernel_quantizer="ste_sign", name="narrow_groups"
    )
    found = convert(_model_with(layer, (8, 8, 64)), tmp_path / "out.tflite", "lce").findings
    rules = [finding.rule for finding in found if finding.layer == "narrow_groups"]
    assert {"groups", "binary-layer-lost"} <= set(rules)
    assert "dequantized-signs" in [finding.rule for finding in found]


def test_what_the_model_shows_already_is_not_said_again_of_the_file(tmp_path: Path) -> None:
    found = convert(build("same_zero"), tmp_path / "out.tflite", "lce").findings
    padding = [finding.layer for finding in found if finding.rule == "same-zero-padding"]
    assert padding == ["quant_conv2d", "quant_conv2d_1"]


def test_int8_without_calibration_is_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model 'tiny': int8 needs calibration"):
        convert(model, tmp_path / "out.tflite", "int8")


def test_bad_calibration_is_refused_before_conversion(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model wants"):
        convert(model, tmp_path / "out.tflite", "int8", samples(40)[:, 1:])
    assert list(tmp_path.iterdir()) == []


def _model_with(layer: Any, shape: tuple[int | None, ...] = (8, 8, 3)) -> Any:
    image = keras.layers.Input(shape)
    return keras.Model(image, keras.layers.ReLU()(layer(image)), name="odd")


def test_a_layer_that_cannot_be_converted_is_named_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.math.bessel_i0(x)

    for to in ("float", "lce"):
        with pytest.raises(EdgebnnError, match="BesselI0") as caught:
            convert(_model_with(Bessel(name="strange")), tmp_path / "out.tflite", to)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert "strange" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_layer_that_changes_its_variables_when_it_is_called_is_named_with_the_remedy(tmp_path: Path) -> None:
    x = keras.Input((4, 4, 3))
    inner = keras.Model(x, keras.layers.BatchNormalization(name="norm")(x, training=True))
    for to in ("float", "lce"):
        with pytest.raises(InputError, match=r"layer 'norm': changes its variable 'moving_mean'.*in training alone"):
            convert(keras.Model(x, inner(x)), tmp_path / "out.tflite", to)  # type: ignore[arg-type]


def _looped(x: Any) -> Any:
    return tf.while_loop(lambda turn, _: turn < 3, lambda turn, y: (turn + 1, y * 0.5), [tf.constant(0), x])[1]


@pytest.mark.parametrize(
    ("function", "op", "remedy"),
    [
        (_looped, "While", "write a loop of a known length out"),
        (tf.function(_looped), "While", "write a loop of a known length out"),
        (lambda x: tf.map_fn(lambda y: y * 2.0, x), "While", "tf.map_fn as ops on all samples"),
        (lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0), "If", "choose by tf.where"),
    ],
)
@pytest.mark.parametrize("to", ["float", "lce", "int8"])
def test_a_layer_with_control_flow_is_named_with_the_remedy(
    function: Any, op: str, remedy: str, to: Target, tmp_path: Path
) -> None:
    x = keras.Input((4, 4, 3))
    inner = keras.Model(x, keras.layers.Lambda(function, name="turns")(keras.layers.Conv2D(3, 1, name="before")(x)))
    model = keras.Model(x, keras.layers.Conv2D(3, 1, name="after")(inner(x)), name="net")
    samples = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype(np.float32)
    with pytest.raises(EdgebnnError) as refused:
        convert(model, tmp_path / "out.tflite", to, samples if to == "int8" else None)
    assert re.match(rf"model 'net', layer 'turns': .*\({op}\).*{remedy}", str(refused.value)), refused.value
    assert list(tmp_path.iterdir()) == []


def test_control_flow_that_converters_find_constant_is_converted(tmp_path: Path) -> None:
    constant = keras.layers.Lambda(lambda x: x * tf.cond(tf.constant(True), lambda: 2.0, lambda: 3.0))
    convert(_model_with(constant), tmp_path / "out.tflite", "float")


GROUP_NORMS = {
    "both": {"groups": 4},
    "one group": {"groups": 1, "scale": False},
    "one channel each": {"groups": -1, "center": False},
    "neither": {"groups": 2, "scale": False, "center": False, "epsilon": 0.1},
}


@pytest.mark.parametrize(
    ("to", "layer"),
    [
        *(("int8", layer) for layer in (*GROUP_NORMS, "softsign", "softsign at the end")),
        *(("float", layer) for layer in ("both", "softsign", "softsign at the end")),
        *(("lce", layer) for layer in ("both", "softsign")),
    ],
)
def test_what_tensorflow_lite_has_no_op_for_is_written_out(to: Target, layer: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = keras.Input((8, 8, 3), name="x")
    y = keras.layers.Conv2D(8, 3, name="before")(x)
    if layer in GROUP_NORMS:
        norm = keras.layers.GroupNormalization(**GROUP_NORMS[layer], name="middle")
        y = norm(y)
        for weight in norm.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    else:
        y = keras.layers.Activation(tf.nn.softsign, name="middle")(y)
    end = y if layer == "softsign at the end" else keras.layers.Conv2D(4, 3, name="after")(y)
    model = keras.Model(x, end)
    values = rng.normal(size=(40, 8, 8, 3)).astype(np.float32)
    expected = model(values).numpy()
    convert(model, tmp_path / "out.tflite", to, values if to == "int8" else None)
    graph = read(tmp_path / "out.tflite")
    if to == "int8":
        assert {tensor.dtype for tensor in graph.tensors} <= {DType.INT8, DType.INT32}, "a part of it is float"
    found = edgebnn.load(tmp_path / "out.tflite")(values)
    np.testing.assert_allclose(found, expected, atol=(0.03 if to == "int8" else 1e-6) * np.ptp(expected))
    np.testing.assert_array_equal(model(values).numpy(), expected)
    edgebnn.export(tmp_path / "out.tflite", tmp_path / "c", "cortex-m4")  # it has C for all of its ops


@pytest.mark.parametrize("to", ["float", "lce", "int8"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_trained_in_mixed_precision_is_computed_in_float32(policy: str, to: Target, tmp_path: Path) -> None:
    def build() -> Any:
        x = keras.Input((8, 8, 3), name="x")
        inner_input = keras.Input((8, 8, 3))
        inner = keras.Model(inner_input, keras.layers.BatchNormalization()(keras.layers.Conv2D(32, 3)(inner_input)))
        y = inner(x)
        signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False}
        y = keras.layers.BatchNormalization()(lq.layers.QuantConv2D(32, 3, **signs)(y)) * 0.5
        y = keras.layers.LSTM(4)(keras.layers.Reshape((16, 32))(y))
        return keras.Model(x, keras.layers.Dense(4, activation="softmax", dtype="float32")(y))

    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build()
    finally:
        keras.mixed_precision.set_global_policy(None)  # as it was: floatx decides
    same = build()
    same.set_weights(model.get_weights())
    values = samples(40)
    before = model(values).numpy()
    convert(model, tmp_path / "out.tflite", to, values if to == "int8" else None)
    convert(same, tmp_path / "same.tflite", to, values if to == "int8" else None)
    found, expected = (edgebnn.load(tmp_path / f"{name}.tflite")(values) for name in ("out", "same"))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model(values).numpy(), before)
    assert {layer.dtype_policy.name for layer in model.layers} == {policy, "float32"}


def test_a_subclassed_model_of_mixed_precision_takes_float32(tmp_path: Path) -> None:
    class Scored(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.scores = keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            return self.scores(tf.reduce_mean(x, [1, 2]))

    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model, values = Scored(), samples(5)
        expected = model(values).numpy()
    finally:
        keras.mixed_precision.set_global_policy(None)  # as it was: floatx decides
    convert(model, tmp_path / "out.tflite", "float")
    graph = read(tmp_path / "out.tflite")
    assert {graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)} == {DType.FLOAT32}
    np.testing.assert_allclose(edgebnn.load(tmp_path / "out.tflite")(values), expected, atol=0.005)


def test_weights_of_half_precision_are_refused_with_the_remedy(tmp_path: Path) -> None:
    model = _model_with(keras.layers.Conv2D(4, 3, dtype="float16", name="halved"))
    for to in ("float", "lce"):
        with pytest.raises(InputError, match=r"layer 'halved': has weights of float16.*set_weights"):
            convert(model, tmp_path / "out.tflite", to)  # type: ignore[arg-type]


@pytest.mark.parametrize("always_zero", ["softmax", "difference"])
def test_what_is_zero_on_all_samples_is_converted_to_int8(always_zero: str, tmp_path: Path) -> None:
    """TensorFlow Lite's calibration gives it steps that LiteRT's SOFTMAX, ADD and SUB refuse."""
    x = keras.Input((4, 4, 3), name="x")
    dead = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, bias_initializer=keras.initializers.Constant(-50))(x))
    zero = keras.layers.Softmax()(dead) if always_zero == "softmax" else keras.layers.Subtract()([x, x])
    model = keras.Model(x, [zero, keras.layers.Dense(3)(x)])
    values = np.random.default_rng(0).uniform(-1, 1, (40, 4, 4, 3)).astype(np.float32)
    convert(model, tmp_path / "out.tflite", "int8", values)
    results = edgebnn.load(tmp_path / "out.tflite")(values)
    for result, expected in zip(results, model(values), strict=True):
        np.testing.assert_allclose(result, expected, atol=0.02)


def test_measuring_ranges_prints_nothing() -> None:
    """LiteRT tells of its delegates once a process, so that this has one of its own."""
    script = f"""
import sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
import numpy as np
from edgebnn._tensorflow import keras
from edgebnn.converters.convert import convert
x = keras.Input((6,))
y = keras.layers.Dense(4)(x)
values = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
with tempfile.TemporaryDirectory() as folder:
    convert(keras.Model(x, keras.layers.Maximum()([y, y * 0.5])), folder + "/out.tflite", "lce", values)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("to", ["float", "lce", "int8"])
@pytest.mark.parametrize("activation", ["selu", "softplus", "mish"])
def test_activations_by_exponentials_bear_large_values(to: Target, activation: str, tmp_path: Path) -> None:
    """Of 100 an exponential is infinite in float, and of 10 so large that int8 has no steps left below."""
    x = keras.Input((5, 4), name="x")
    model = keras.Model(x, keras.layers.Activation(activation)(x))
    values = np.random.default_rng(3).uniform(-8, 8, (40, 5, 4)).astype(np.float32)
    if to != "int8":
        values[0] = np.linspace(-100, 100, 20).reshape(5, 4)
    expected = model(values).numpy()
    convert(model, tmp_path / "out.tflite", to, values if to == "int8" else None)
    found = edgebnn.load(tmp_path / "out.tflite")(values)
    np.testing.assert_allclose(found, expected, atol=(0.02 if to == "int8" else 1e-6) * np.ptp(expected))
    edgebnn.export(tmp_path / "out.tflite", tmp_path / "c", "cortex-m4")


def test_a_group_normalization_of_other_channels_is_keras_own(tmp_path: Path) -> None:
    x = keras.Input((6, 4), batch_size=1, name="x")
    model = keras.Model(x, keras.layers.GroupNormalization(2, axis=1)(x))
    values = np.random.default_rng(3).normal(size=(5, 6, 4)).astype(np.float32)
    convert(model, tmp_path / "out.tflite", "float")
    found = np.concatenate([edgebnn.load(tmp_path / "out.tflite")(one[None]) for one in values])
    np.testing.assert_allclose(found, np.concatenate([model(one[None]) for one in values]), atol=1e-5)


def test_models_without_a_fixed_input_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="open shape"):
        convert(_model_with(keras.layers.Conv2D(3, 3), (None, None, 3)), tmp_path / "out.tflite", "float")
    with pytest.raises(InputError, match="not built"):
        convert(keras.Sequential([keras.layers.Dense(2)]), tmp_path / "out.tflite", "float")


def test_an_unknown_target_and_an_unwritable_path_are_refused_first(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot convert to 'onnx'; choose one of lce, int8, w1a8, float"):
        convert(model, tmp_path / "out.tflite", "onnx")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="does not exist"):
        convert("absent.keras", tmp_path / "absent" / "out.tflite")


def test_importing_the_converters_loads_no_tensorflow() -> None:
    script = (
        "import sys; import edgebnn.converters.convert, edgebnn.converters.lint; assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# -- weights too large for TensorFlow to fold what depends on them --

LARGE = (8192, 4104)
"""Inputs and outputs of a dense layer whose latent weights take more than 128 MiB."""


@pytest.mark.parametrize(("to", "kind"), [("w1a8", "EdgebnnDenseW1A8"), ("lce", "LceBconv2d")])
def test_large_binary_weights_are_stored_as_bits(to: Any, kind: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    vector, path = keras.layers.Input(LARGE[:1]), tmp_path / "large.tflite"
    layer = lq.layers.QuantDense(
        LARGE[1],
        input_quantizer="ste_sign" if to == "lce" else None,
        kernel_quantizer="magnitude_aware_sign",
        kernel_constraint="weight_clip",
    )
    model = keras.Model(vector, keras.layers.Dense(4)(keras.layers.ReLU()(layer(vector))))
    inputs = np.random.default_rng(0).normal(size=(4, LARGE[0])).astype(np.float32)
    latent, expected = layer.kernel.latent_variable.numpy(), model(inputs).numpy()
    convert(model, path, to, None if to == "lce" else [inputs])
    assert kind in _kinds(path)
    assert path.stat().st_size < LARGE[0] * LARGE[1] / 8 * 1.05
    outputs = edgebnn.load(path)(inputs)
    np.testing.assert_allclose(outputs, expected, atol=0.05 if to == "w1a8" else 1e-4)
    np.testing.assert_array_equal(layer.kernel.latent_variable.numpy(), latent)
    np.testing.assert_array_equal(model(inputs).numpy(), expected)


class _RaisesWhenTraced(keras.Model):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        if not tf.executing_eagerly():
            raise Own("of its own\nin two lines")
        return x


class Own(Exception):
    pass


def test_what_keras_puts_around_an_error_is_left_out(tmp_path: Path) -> None:
    spaced = keras.Sequential([keras.layers.Dense(3, name="with a space")])
    own = _RaisesWhenTraced(name="raises")
    for model, message in (
        (spaced, r"layer 'with a space': .*\(ValueError: '.*with a space/' is not a valid"),
        (own, r"model 'raises': conversion to float failed \(Own: of its own\)"),
    ):
        model(np.zeros((1, 4), np.float32))
        with pytest.raises(EdgebnnError, match=message):
            convert(model, tmp_path / "out.tflite", "float")


def test_temporary_files_that_cannot_be_written_are_an_error(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(EdgebnnError, match=r"temporary files cannot be written to .*absent .*TMPDIR"):
        from_keras.convert(model, "float")


class _Pairs(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="pairs")
        self.dense = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return {"q": self.dense(x["b"]) - self.dense(x["a"]), "c": x["b"]}


def test_a_saved_subclassed_model_is_converted_without_its_class(tmp_path: Path) -> None:
    one, two = np.random.default_rng(0).random((2, 5, 4), np.float32)
    pairs = _Pairs()
    expected = pairs({"a": one, "b": two})
    pairs.save(tmp_path / "saved", save_format="tf")
    convert(str(tmp_path / "saved"), tmp_path / "out.tflite", "float")
    loaded = edgebnn.load(tmp_path / "out.tflite")
    assert [port.name for port in loaded.inputs] == ["a", "b"]
    assert [port.name for port in loaded.outputs] == ["c", "q"]
    for result, name in zip(loaded(one, two), ("c", "q"), strict=True):
        np.testing.assert_allclose(result, expected[name], atol=1e-6)
