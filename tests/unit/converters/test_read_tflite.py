from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError, ModelFormatError, UnsupportedOpError
from edgebnn.graph.types import DType
from tests.support.hostile import changed
from tests.support.privileges import unprivileged, unprivileged_folder
from tests.support.topologies import lce_bytes, tflite_bytes

Change = Callable[[Any], None]


def _conv(model: Any) -> Any:
    return model.subgraphs[0].operators[0]


def _tensor(model: Any, index: int) -> Any:
    return model.subgraphs[0].tensors[index]


def _negative_shape(model: Any) -> None:
    _tensor(model, 0).shape = np.array([1, -13, 13, 3], np.int32)


def _huge_shape(model: Any) -> None:
    _tensor(model, 0).shape = np.array([2**31 - 1] * 4, np.int32)


def _large_shape(model: Any) -> None:
    _tensor(model, 0).shape = np.array([1, 2**15, 2**15, 3], np.int32)


def _other_signature(model: Any) -> None:
    _tensor(model, 0).shapeSignature = np.array([-1, 13], np.int32)


def _many_dimensions(model: Any) -> None:
    _tensor(model, 0).shape = np.ones(2000, np.int32)


def _short_buffer(model: Any) -> None:
    weights = _tensor(model, _conv(model).inputs[1])
    model.buffers[weights.buffer].data = model.buffers[weights.buffer].data[:-4]


def _missing_buffer(model: Any) -> None:
    _tensor(model, 1).buffer = 10_000


def _data_in_buffer_0(model: Any) -> None:
    weights = _tensor(model, _conv(model).inputs[1])
    model.buffers[0].data, weights.buffer = model.buffers[weights.buffer].data, 0


def _external_buffer(model: Any) -> None:
    _tensor(model, 1).externalBuffer = 1


def _data_outside(model: Any) -> None:
    buffer = model.buffers[_tensor(model, _conv(model).inputs[1]).buffer]
    buffer.offset, buffer.size = 4096, len(buffer.data)


def _data_beyond_the_end(model: Any) -> None:
    _data_outside(model)
    model.buffers[_tensor(model, _conv(model).inputs[1]).buffer].offset = 1 << 40


def _options_outside(model: Any) -> None:
    _conv(model).largeCustomOptionsOffset = 4096


def _sparse(model: Any) -> None:
    _tensor(model, 1).sparsity = schema.SparsityParametersT()


def _variable(model: Any) -> None:
    _tensor(model, 1).isVariable = True


def _string_tensor(model: Any) -> None:
    _tensor(model, 0).type = schema.TensorType.STRING


def _input_out_of_range(model: Any) -> None:
    _conv(model).inputs = np.array([0, 999, -1], np.int32)


def _output_out_of_range(model: Any) -> None:
    _conv(model).outputs = np.array([-7], np.int32)


def _no_output(model: Any) -> None:
    idle = copy.copy(_conv(model))
    idle.outputs = np.array([], np.int32)
    model.subgraphs[0].operators.append(idle)


def _op_code_out_of_range(model: Any) -> None:
    _conv(model).opcodeIndex = 99


def _use_before_definition(model: Any) -> None:
    model.subgraphs[0].operators.reverse()


def _cycle(model: Any) -> None:
    operators = model.subgraphs[0].operators
    operators[0].inputs = np.array([operators[1].outputs[0], *operators[0].inputs[1:]], np.int32)


def _computed_twice(model: Any) -> None:
    operators = model.subgraphs[0].operators
    operators[-1].outputs = operators[0].outputs


def _output_never_computed(model: Any) -> None:
    del model.subgraphs[0].operators[-1]


def _no_ops(model: Any) -> None:
    model.subgraphs[0].operators = []
    model.subgraphs[0].outputs = model.subgraphs[0].inputs
    model.signatureDefs = []


def _two_subgraphs(model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


def _other_version(model: Any) -> None:
    model.version = 4


def _options_of_another_op(model: Any) -> None:
    _conv(model).builtinOptionsType = schema.BuiltinOptions.Pool2DOptions
    _conv(model).builtinOptions = schema.Pool2DOptionsT()


def _impossible_padding(model: Any) -> None:
    _conv(model).builtinOptions.padding = 17


def _wrong_output_shape(model: Any) -> None:
    _tensor(model, _conv(model).outputs[0]).shape = np.array([1, 12, 13, 32], np.int32)


def _signature_tensor(model: Any) -> None:
    model.signatureDefs[0].inputs[0].tensorIndex = 500


def _metadata_buffer(model: Any) -> None:
    model.metadata[0].buffer = 500


def _broken_flexbuffer(model: Any) -> None:
    binary = next(op for op in model.subgraphs[0].operators if op.customOptions is not None and len(op.customOptions))
    binary.customOptions = binary.customOptions[:-3]


def _endless_flexbuffer(model: Any) -> None:
    binary = next(op for op in model.subgraphs[0].operators if op.customOptions is not None and len(op.customOptions))
    binary.customOptions = np.zeros(10_000, np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_negative_shape, "tensor '.*a negative dimension"),
        (_huge_shape, "tensor '.*impossible shape"),
        (_large_shape, "larger than 2 GB"),
        (_other_signature, "tensor '.*signature that does not fit"),
        (_many_dimensions, "2000 dimensions"),
        (_short_buffer, "tensor '.*has 3452 bytes of data, its shape and type need 3456"),
        (_missing_buffer, "the buffer of tensor '.*index 10000"),
        (_data_in_buffer_0, "layer 'plain/.*before it is written"),
        (_external_buffer, "is external"),
        (_data_outside, "outside the flatbuffer"),
        (_data_beyond_the_end, "data of tensor '.*outside of the file"),
        (_options_outside, "layer 'plain/.*options outside the flatbuffer"),
        (_sparse, "is sparse"),
        (_variable, "is variable"),
        (_string_tensor, "type STRING"),
        (_input_out_of_range, "an input of layer 'plain/.*index 999"),
        (_output_out_of_range, "an output of layer 'op 0' has index -7"),
        (_no_output, r"op \d+ \(CONV_2D\) lacks an output"),
        (_op_code_out_of_range, "op code of layer 'plain/.*index 99"),
        (_use_before_definition, "layer 'StatefulPartitionedCall.* before it is written"),
        (_cycle, "layer 'plain/.*before it is written"),
        (_computed_twice, "layer 'plain/.*writes to a tensor that has a value"),
        (_output_never_computed, "graph output .* is never written"),
        (_no_ops, "has no ops"),
        (_two_subgraphs, "2 subgraphs"),
        (_other_version, "schema version 4"),
        (_options_of_another_op, "layer '.*options of another op"),
        (_impossible_padding, "options of layer 'plain/"),
        (_wrong_output_shape, r"layer 'plain/.*\[1, 12, 13, 32\].*\[1, 13, 13, 32\]"),
        (_signature_tensor, "signature 'serving_default' has index 500"),
        (_metadata_buffer, "metadata"),
        (_broken_flexbuffer, "options of layer '.*LceBconv2d"),
        (_endless_flexbuffer, "10000 bytes of options"),
    ],
)
def test_a_broken_file_is_refused_in_one_line_that_says_what_is_broken(change: Change, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message) as caught:
        read(changed(lce_bytes("plain"), change), name="broken.tflite")
    assert str(caught.value).startswith("broken.tflite: ")
    assert "\n" not in str(caught.value)


def _quantization(model: Any, per_tensor: bool) -> Any:
    """The first quantization in the file that is per tensor, or per channel."""
    found = [t.quantization for t in model.subgraphs[0].tensors if t.quantization is not None]
    return next(q for q in found if q.scale is not None and (len(q.scale) == 1) == per_tensor)


def _nan_scale(model: Any) -> None:
    _quantization(model, per_tensor=True).scale = np.array([np.nan], np.float32)


def _zero_scale(model: Any) -> None:
    _quantization(model, per_tensor=True).scale = np.array([0], np.float32)


def _missing_zero_points(model: Any) -> None:
    _quantization(model, per_tensor=True).zeroPoint = np.array([], np.int64)


def _wrong_axis(model: Any) -> None:
    _quantization(model, per_tensor=False).quantizedDimension = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nan_scale, "negative or not finite"),
        (_zero_scale, "not a positive number"),
        (_missing_zero_points, "1 scales but 0 zero points"),
        (_wrong_axis, "index 3 of 1"),
    ],
)
def test_impossible_quantization_is_refused_naming_the_tensor(change: Change, message: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"tensor .*'.+'\)? has .*{message}"):
        read(changed(lce_bytes("plain", int8=True), change))


def test_an_unknown_builtin_is_refused_naming_op_layer_file_and_what_is_supported() -> None:
    def change(model: Any) -> None:
        code = model.operatorCodes[_conv(model).opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.HASHTABLE_LOOKUP

    with pytest.raises(UnsupportedOpError, match=r"m\.tflite: layer 'plain/.*HASHTABLE_LOOKUP.*ADD.*LceBconv2d"):
        read(changed(lce_bytes("plain"), change), name="m.tflite")


def test_an_unknown_custom_op_is_refused_by_name_even_if_a_builtin_has_that_name() -> None:
    for name in ("MyOp", "ADD"):

        def change(model: Any, name: str = name) -> None:
            next(code for code in model.operatorCodes if code.customCode == b"LceQuantize").customCode = name.encode()

        with pytest.raises(UnsupportedOpError, match=f"custom op '{name}' is not supported"):
            read(changed(lce_bytes("plain"), change))


def test_an_option_that_the_ir_does_not_hold_is_refused_if_it_is_set() -> None:
    def change(model: Any) -> None:
        dense = model.subgraphs[0].operators[-1]
        dense.builtinOptions.quantSpec = np.array([1, 2], np.uint8)

    with pytest.raises(UnsupportedOpError, match=r"FULLY_CONNECTED.*option QuantSpec"):
        read(changed(lce_bytes("plain"), change))


def test_missing_options_mean_the_schemas_defaults() -> None:
    def change(model: Any) -> None:
        mean = next(op for op in model.subgraphs[0].operators if type(op.builtinOptions).__name__ == "ReducerOptionsT")
        mean.builtinOptionsType, mean.builtinOptions = 0, None

    graph = read(changed(lce_bytes("plain"), change))
    assert next(op for op in graph.ops if op.kind == "MEAN").options.keep_dims is False  # type: ignore[attr-defined]


def test_names_that_are_no_single_line_do_not_break_the_message() -> None:
    def change(model: Any) -> None:
        _tensor(model, 0).name = "a\nb\x1b[31m" + "x" * 100_000
        _negative_shape(model)

    with pytest.raises(ModelFormatError) as caught:
        read(changed(lce_bytes("plain"), change))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 8 + b"TFL3", b"PK\x03\x04 not a model", b"\0\0\0\0TFL3"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFormatError):
        read(content)


def test_every_truncation_is_refused() -> None:
    content = lce_bytes("uneven")
    for length in range(0, len(content), 97):
        with pytest.raises(ModelFormatError):
            read(content[:length])


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tflite", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read(path)


def test_an_unreadable_file_is_refused_by_name() -> None:
    with unprivileged_folder() as folder:
        path = folder / "secret.tflite"
        path.write_bytes(lce_bytes("plain"))
        path.chmod(0)
        with unprivileged(), pytest.raises(InputError, match=str(path)):
            read(path)


def test_a_file_that_leaves_the_batch_open_is_read_at_batch_one_with_true_inner_shapes() -> None:
    graph = read(tflite_bytes("uneven"))
    batch = next(op for op in graph.ops if op.kind == "SPACE_TO_BATCH_ND")
    tensor = graph.tensors[batch.outputs[0]]
    assert tensor.shape_signature == (-1, 9, 6, 40)
    assert tensor.shape == (4, 9, 6, 40)


def test_constants_are_read_only_views_with_their_quantization() -> None:
    graph = read(lce_bytes("plain", int8=True))
    weights = graph.tensors[next(op for op in graph.ops if op.kind == "CONV_2D").inputs[1]]
    assert weights.dtype is DType.INT8
    assert weights.data is not None
    assert not weights.data.flags.writeable
    assert weights.quantization is not None
    assert len(weights.quantization.scale) == weights.shape[weights.quantization.axis] == 32
