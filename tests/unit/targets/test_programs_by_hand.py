"""Stand-alone programs as a person starts them, against the same model in Python."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgebnn import load, machine
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from edgebnn.graph.ops.elementwise import AddOptions, MulOptions
from edgebnn.graph.types import Array, DType, Graph, Quantization
from edgebnn.runtime.model import Model
from edgebnn.targets.linux import standalone
from edgebnn.targets.model_file import ModelFile, open_model
from tests.support.c_packages import HOSTED, SANITIZERS
from tests.support.classifiers import classifier
from tests.support.devices import INT8
from tests.support.graphs import chain, tensor

Program = Callable[..., subprocess.CompletedProcess[str]]


def program_of(model: ModelFile) -> Program:
    processor = machine.processor()
    if processor not in standalone.MACHINES:
        pytest.skip(f"no programs for {processor}")
    path = standalone.program(standalone.package_of(model, model.graph, processor), processor)
    return lambda *words, **how: started(path, *words, **how)


def started(path: Path, *words: object, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    command, environment = [str(path), *map(str, words)], {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, env=environment)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def speaking(quantization: Quantization | None = None, order: str = "rgb") -> Graph:
    mean, std = (127.5, 120.0, 100.0), (127.5, 110.0, 90.0)
    image = ImageFormat(mean, std, channel_order=order)  # type: ignore[arg-type]
    return recorded(classifier(quantization), Metadata(labels=('r"ed\\', "grün", "blue"), image=image))


@functools.cache
def float_classifier() -> tuple[ModelFile, Program, Model]:
    model = open_model(speaking())
    return model, program_of(model), load(model.content)


def predictions(done: subprocess.CompletedProcess[str]) -> list[list[tuple[str, int, float]]]:
    assert done.returncode == 0, done.stderr
    images = json.loads(done.stdout)["images"]
    return [[(one["label"], one["index"], one["score"]) for one in image["classes"]] for image in images]


@pytest.mark.parametrize("size", [(4, 6), (31, 17), (3, 5), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_classified_as_in_python(size: tuple[int, int], channels: int, tmp_path: Path) -> None:
    _, program, model = float_classifier()
    pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, channels), dtype=np.uint8)
    path = tmp_path / ("x.ppm" if channels == 3 else "x.pgm")
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(path)
    (found,) = predictions(program(path, "--json", "--top", "9"))
    expected = model.classify(path)
    assert [one[:2] for one in found] == [(one.label, one.index) for one in expected]
    np.testing.assert_allclose([one[2] for one in found], [one.score for one in expected], rtol=1e-5)


def test_channels_go_in_the_models_order_and_labels_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "red.ppm"
    Image.fromarray(np.full((8, 8, 3), (250, 130, 20), np.uint8)).save(path)
    done = program_of(open_model(speaking(order="bgr")))(path, path, "--top", "1")
    assert done.stdout.splitlines() == [str(path), done.stdout.splitlines()[1]] * 2
    assert done.stdout.splitlines()[1].endswith("  blue")
    assert float_classifier()[1](path, "--top", "1").stdout.splitlines()[1].endswith('  r"ed\\')


def test_an_int8_classifier_quantizes_pictures_and_arrays_as_in_python(tmp_path: Path) -> None:
    file = open_model(speaking(Quantization((0.011,), (3,))))
    program, model = program_of(file), load(file.content)
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)).save(tmp_path / "x.ppm")
    (found,) = predictions(program(tmp_path / "x.ppm", "--json"))
    np.testing.assert_allclose(
        [one[2] for one in found], [one.score for one in model.classify(tmp_path / "x.ppm")], rtol=1e-6
    )
    arrays: list[Array] = [
        rng.uniform(-1.4, 1.4, (5, 4, 6, 3)).astype(np.float32),
        rng.uniform(-1.4, 1.4, (1, 4, 6, 3)),
        rng.integers(-128, 128, (3, 4, 6, 3)).astype(np.int8),
        rng.integers(0, 2, (2, 4, 6, 3)).astype(np.uint8),
    ]
    for x in arrays:
        np.save(tmp_path / "x.npy", x)
        done = program(tmp_path / "x.npy", "--json", "-o", tmp_path / "y.npy")
        assert done.returncode == 0, done.stderr
        y = np.load(tmp_path / "y.npy")
        np.testing.assert_allclose(y, model(x), rtol=1e-6)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(np.float32(json.loads(done.stdout)["scores"]), y)
    raw = arrays[2].tobytes()
    done = program("-", "-o", tmp_path / "y.bin", given=raw)
    assert (done.returncode, done.stdout) == (0, "")
    y = np.fromfile(tmp_path / "y.bin", np.float32).reshape(-1, 3)
    np.testing.assert_allclose(y, model(arrays[2]), rtol=1e-6)


def test_quantized_outputs_are_real_numbers_as_in_python(tmp_path: Path) -> None:
    file = open_model(INT8)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = program_of(file)(tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), load(INT8, exact=True)(x), atol=1e-6)
    shown = program_of(file)(tmp_path / "x.npy").stdout
    assert shown.splitlines()[0].endswith(" [2, 10]")
    picture = tmp_path / "x.ppm"
    Image.new("RGB", (32, 32)).save(picture)
    done = program_of(file)(picture)
    assert (done.returncode, "does not say what images it takes; record it: edgebnn convert" in done.stderr) == (
        1,
        True,
    )


def test_several_inputs_and_outputs_are_files_in_their_order(tmp_path: Path) -> None:
    a, b = tensor("a", (1, 3)), tensor("b", (1, 3))
    graph = chain(
        [
            ("ADD", AddOptions(), [a, b], [tensor("sum", (1, 3))], 1),
            ("MUL", MulOptions(), [a, b], [tensor("product", (1, 3))], 1),
        ]
    )
    program = program_of(open_model(graph))
    x, y = (np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32) for seed in (1, 2))
    np.save(tmp_path / "x.npy", x)
    y.tofile(tmp_path / "y.bin")
    outputs = [tmp_path / "sum.npy", tmp_path / "product.npy"]
    done = program(tmp_path / "x.npy", tmp_path / "y.bin", "-o", outputs[0], "-o", outputs[1])
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(outputs[0]), x + y)
    np.testing.assert_array_equal(np.load(outputs[1]), x * y)
    for words, message in (
        ([tmp_path / "x.npy"], "has 2 inputs: give one .npy or file of raw values for each, 1 are given"),
        ([tmp_path / "x.npy", tmp_path / "y.bin", "-o", "z.npy"], "has 2 outputs: give -o for each"),
    ):
        assert message in program(*words).stderr
    np.save(tmp_path / "y.npy", y[:2])
    assert "holds 2 samples, and others 4" in program(tmp_path / "x.npy", tmp_path / "y.npy").stderr


def test_inputs_and_outputs_of_odd_sizes(tmp_path: Path) -> None:
    """Those behind them would lie at addresses from which no float is read."""
    quantization = Quantization((0.5,), (0,))
    a, b = tensor("a", (1, 3), DType.INT8, quantization), tensor("b", (1, 3))
    twice = tensor("twice", (1, 3), DType.INT8, quantization)
    graph = chain([("ADD", AddOptions(), [a, a], [twice], 2), ("ADD", AddOptions(), [b, b], [tensor("c", (1, 3))], 1)])
    np.save(tmp_path / "a.npy", np.array([[1, 2, 3]], np.int8))
    np.save(tmp_path / "b.npy", np.array([[0.5, 1.5, 2.5]], np.float32))
    done = program_of(open_model(graph))(tmp_path / "a.npy", tmp_path / "b.npy", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"twice": [[1, 2, 3]], "c": [[1, 3, 5]]}


def test_values_on_another_scale_are_warned_of(tmp_path: Path) -> None:
    file = open_model(speaking(Quantization((0.01,), (0,))))
    np.save(tmp_path / "x.npy", np.full((1, 4, 6, 3), 200, np.uint8))
    done = program_of(file)(tmp_path / "x.npy")
    assert done.returncode == 0
    assert "warning: input 'image' takes values from -1.28" in done.stderr
    assert "100.0% of those given lie beyond and are cut off" in done.stderr
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(0, 1, (1, 4, 6, 3)).astype(np.float32))
    assert "fill the range from 0 to 1" in program_of(file)(tmp_path / "x.npy").stderr


def wrong_files(folder: Path) -> list[tuple[str, str]]:
    """Names of files that cannot be taken, and what is said of them."""
    good = folder / "good.npy"
    (folder / "one.npz").write_bytes(bytes(288))  # as many as the input has
    np.save(good, np.zeros((2, 4, 6, 3), np.float32))
    npy = good.read_bytes()
    Image.new("RGB", (5, 4)).save(folder / "good.ppm")
    ppm = (folder / "good.ppm").read_bytes()
    arrays = {
        "rank.npy": np.zeros((4, 6, 3), np.float32),
        "shape.npy": np.zeros((1, 4, 6, 4), np.float32),
        "none.npy": np.zeros((0, 4, 6, 3), np.float32),
        "int.npy": np.zeros((1, 4, 6, 3), np.int64),
        "fortran.npy": np.zeros((2, 4, 6, 3), np.float32, order="F"),
        "big.npy": np.zeros((1, 4, 6, 3), ">f4"),
        "nan.npy": np.full((1, 4, 6, 3), np.nan, np.float32),
        "struct.npy": np.zeros(3, [("a", "f4")]),
    }
    for name, array in arrays.items():
        np.save(folder / name, array)
    huge = npy.replace(b"(2, 4, 6, 3)", b"(9999999999999999999, 4, 6, 3)").replace(b" " * 18, b"", 1)
    texts = {
        "half.npy": npy[:-1],
        "head.npy": npy[:40],
        "empty.npy": b"",
        "text.npy": b"hello, I am no array at all",
        "huge.npy": huge,
        "keys.npy": npy.replace(b"shape", b"shopa"),
        "odd.bin": b"123",
        "empty.bin": b"",
        "half.ppm": ppm[:-1],
        "more.ppm": ppm + ppm,
        "ascii.ppm": b"P3\n1 1\n255\n1 2 3\n",
        "deep.ppm": b"P6\n1 1\n65535\n123456",
        "head.ppm": b"P6\n12",
        "empty.ppm": b"",
        "sides.ppm": b"P6\n99999999999 99999999\n255\n",
        "zero.ppm": b"P6\n0 4\n255\n",
        "comment.ppm": b"P6 # and no end",
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    return [
        ("rank.npy", "has shape (4, 6, 3), and input 'image' takes (N, 4, 6, 3)"),
        ("shape.npy", "has shape (1, 4, 6, 4)"),
        ("none.npy", "has shape (0, 4, 6, 3)"),
        ("int.npy", "holds int64, and input 'image' takes float32 or uint8"),
        ("fortran.npy", "is in Fortran order"),
        ("big.npy", "of a type that is not read here"),
        ("nan.npy", "has NaN or infinite values"),
        ("struct.npy", "write one with numpy.save"),
        ("half.npy", "is not whole"),
        ("head.npy", "is not whole"),
        ("empty.npy", "is not an .npy file"),
        ("text.npy", "is not an .npy file"),
        ("huge.npy", "not"),
        ("keys.npy", "is not an .npy file of a plain array"),
        ("odd.bin", "has 3 bytes, and input 'image' 288 a sample, of float32 (N, 4, 6, 3); else give an .npy"),
        ("empty.bin", "has 0 bytes"),
        ("half.ppm", "is not whole"),
        ("more.ppm", "more than one picture"),
        ("ascii.ppm", "is no binary PPM (P6) or PGM (P5) picture"),
        ("deep.ppm", "has not 8 bits a channel"),
        ("head.ppm", "cannot be read as a PPM or PGM picture"),
        ("empty.ppm", "is no binary PPM"),
        ("sides.ppm", "cannot be read as a PPM"),
        ("zero.ppm", "is not whole"),
        ("comment.ppm", "cannot be read as a PPM"),
        ("absent.npy", "cannot be read (No such file or directory)"),
        ("absent.ppm", "cannot be read (No such file or directory)"),
        (".", "cannot be read (Is a directory)"),
        ("one.npz", ".npz files are not read here; give an .npy for each input"),
        ("cat.jpg", "pictures are read as PPM or PGM here"),
    ]


def test_wrong_files_are_refused_in_one_line_also_under_sanitizers(tmp_path: Path) -> None:
    model = open_model(speaking())
    package = standalone.package_of(model, model.graph, "armv7l")  # plain C
    files = standalone.sources(package)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    compiled = [name for name in files if name.endswith(".c") and name != "network.c"]
    flags = [*HOSTED, "-std=gnu11", "-ffp-contract=off", "-O1", *SANITIZERS]
    subprocess.run(["gcc", *flags, *compiled, "-o", "network", "-lm"], cwd=tmp_path, check=True)
    program = tmp_path / "network"
    folder = tmp_path / "given"
    folder.mkdir()
    for name, message in wrong_files(folder):
        done = started(program, folder / name)
        assert done.returncode == 1, (name, done.stderr)
        assert message in done.stderr, name
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stdout == ""
    for name in ("good.npy", "good.ppm"):
        done = started(program, folder / name)
        assert (done.returncode, done.stderr) == (0, "")
    done = started(program, folder / "good.npy", "-o", folder / "no" / "y.npy")
    assert "cannot be written" in done.stderr
    done = started(program, folder / "good.npy", "-o", folder / "y.npz")
    assert (done.returncode, ".npz files are not written here; give -o with an .npy" in done.stderr) == (1, True)
    assert not (folder / "y.npz").exists()
    assert "-o: classes of pictures are printed" in started(program, folder / "good.ppm", "-o", "y.npy").stderr
    for words in ([], ["--top", "0", "x.ppm"], ["--nothing"], ["-o"]):
        done = started(program, *words)
        assert (done.returncode, done.stderr.splitlines()[0].startswith("usage: ")) == (2, True)
    assert "input image: float32 [1, 4, 6, 3], 288 bytes" in started(program, "--help").stdout


def test_a_program_of_other_pictures_says_why(tmp_path: Path) -> None:
    a = tensor("a", (1, 4, 4, 3), DType.INT32)
    graph = chain([("ADD", AddOptions(), [a, a], [tensor("b", (1, 4, 4, 3), DType.INT32)], 1)])
    program = program_of(open_model(graph))
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 4, 3), np.float32))
    assert "holds float32, and input 'a' takes int32" in program(tmp_path / "x.npy").stderr
    x = np.arange(48, dtype=np.int32).reshape(1, 4, 4, 3)
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(json.loads(program(tmp_path / "x.npy", "--json").stdout)["b"], 2 * x)
