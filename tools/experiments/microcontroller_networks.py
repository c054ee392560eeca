#!/usr/bin/env python3
"""MLPerf Tiny's ResNet-8 at four precisions on CIFAR-10: the networks of docs/microcontrollers.md.

Usage: EDGEBNN_DATA=DIR .venv/bin/python -m tools.experiments.microcontroller_networks --run-dir DIR [--arm NAME]...
       ... --run-dir DIR --report docs/studies/microcontrollers [--core NAME]...

The weights are those of MLPerf Tiny's float file, which has seen CIFAR-10 as it was published; here it is compressed
as JPEG, so the float network is trained on for some epochs first (``float``). ``int8`` is that one, converted;
``w1a8`` is retrained from it, and taught by it, and ``w1a8-longer`` once more. ``w1a1`` has a topology of its own, with
a shortcut around every convolution, so it is trained from the start; ``w1a1-wide`` has twice its widths, which fill
words of 32. ``mlperf`` only judges the two files as they come.

Every arm can be run again after a kill and goes on where it was; an arm that is done is only read. With ``--report``
nothing is trained: results.json is written for the arms that are done, with multiply-accumulates, bytes and arena; and,
with ``--core``, simulated.json: what their C packages take on these cores.
Seeds are fixed; TensorFlow's own sums depend on the number of threads, so figures come again within a few tenths.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

import edgebnn
from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.convert import convert
from edgebnn.converters.from_keras import load_model
from edgebnn.errors import InputError
from edgebnn.files import write_text
from edgebnn.graph import counts, liveness
from edgebnn.kernels.cores import CORES
from edgebnn.models.resnet import resnet
from edgebnn.preprocessing import preprocess
from edgebnn.targets.cortex_m.network import Network, compile_package
from edgebnn.targets.cortex_m.toolchain import compiler_name
from edgebnn.targets.model_file import open_model
from edgebnn.targets.noise import noise
from edgebnn.training import datasets, recipes
from edgebnn.training.history import History
from edgebnn.training.loop import train
from edgebnn.training.named import NamedTraining, train_named
from edgebnn.training.retraining import Stage, StageName
from edgebnn.workflows.retrain import deployment, file_accuracy, retrain
from tools.experiments.saying import say, say_epochs
from tools.experiments.study_report import Arm, read_arm, write_arm

DATA, SEED = "cifar10", 0
FLOAT_FILE, INT8_FILE = "pretrainedResnet.tflite", "pretrainedResnet_quant.tflite"  # in EDGEBNN_DATA/mlperf_tiny
EPOCHS = {"float": 20, "w1a8": 8, "w1a8-longer": 6, "w1a1": 14, "w1a1-wide": 14}
WIDTHS = {"w1a1": (16, 32, 64), "w1a1-wide": (32, 64, 128)}

# In the order of the file's ops, which is that of execution.
_LAYERS = (
    ("stem_conv", "stem_bn"),
    *(
        (f"stage{stage}_block1_{conv}", f"stage{stage}_block1_{norm}")
        for stage in (1, 2, 3)
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("shortcut2_conv", "shortcut2_bn"))
        if stage > 1 or not conv.startswith("shortcut")
    ),
)
_FOR_STATISTICS = 2000  # training images


def mlperf_network(file: Path, images: Any) -> keras.Model:
    """The weights of MLPerf Tiny's float file in edgebnn's ResNet-8, [N, 32, 32, 3] in [-1, 1] -> logits.

    The file takes pixels from 0 to 255, which the first layer's weights and bias make up for: all results are the
    file's but at the images' edges, where its padding is black and ours mid-grey. Its batch norms are part of its
    convolutions; here they are batch norms again, with the mean and variance of ``images`` (uint8 [N, 32, 32, 3]), so
    that training begins in the network that was.
    """
    graph = edgebnn.read(str(file))
    constants = [
        tuple(np.array(graph.tensors[i].data) for i in op.inputs[1:])
        for op in graph.ops
        if op.kind in ("CONV_2D", "FULLY_CONNECTED")  # weights, bias
    ]
    model = resnet(8)
    biases = []
    for (conv, norm), (weights, bias) in zip(_LAYERS, constants[:-1], strict=True):
        kernel = np.transpose(weights, (1, 2, 3, 0))
        if conv == "stem_conv":  # w * (127.5 * x + 127.5)
            kernel, bias = 127.5 * kernel, bias + 127.5 * kernel.sum(axis=(0, 1, 2))
        model.get_layer(conv).set_weights([kernel])
        layer = model.get_layer(norm)
        variance = np.ones_like(bias)
        layer.set_weights([np.sqrt(variance + layer.epsilon), bias, np.zeros_like(bias), variance])
        biases.append(bias)
    dense_weights, dense_bias = constants[-1]
    model.get_layer("logits").set_weights([dense_weights.T, dense_bias])

    sums = keras.Model(model.inputs, [model.get_layer(norm).input for _, norm in _LAYERS])
    found = sums.predict(preprocess(images), batch_size=250, verbose=0)
    for (_, norm), bias, values in zip(_LAYERS, biases, found, strict=True):
        layer = model.get_layer(norm)
        mean, variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
        layer.set_weights([np.sqrt(variance + layer.epsilon), bias + mean, mean, variance])
    return model


def as_they_come(folder: Path) -> Arm:
    """The files of MLPerf Tiny: the float one as parent ("float"), the int8 one deployed."""
    test = datasets.load(DATA).test

    def judged(name: StageName, file: str) -> Stage:
        return Stage(name, _raw_accuracy(_mlperf(file), test), len(test), f"{file}, in the runtime")

    stages = (judged("float", FLOAT_FILE), judged("deployed", INT8_FILE))
    return Arm("mlperf", stages, (), str(_mlperf(INT8_FILE)))


def trained_float(folder: Path) -> Arm:
    """The parent: MLPerf Tiny's weights, trained on with images as they are here."""
    dataset = datasets.load(DATA)
    chosen = np.random.default_rng(SEED).permutation(len(dataset.train))[:_FOR_STATISTICS]
    keras.utils.set_random_seed(SEED)
    model = mlperf_network(_mlperf(FLOAT_FILE), dataset.train.images[chosen])
    recipe = replace(
        recipes.recommended("resnet8", "float", DATA),
        epochs=EPOCHS["float"],
        seed=SEED,
        learning_rate=0.03,
        weight_decay=1e-4,
        **_common(),
    )
    return _deployed(folder, "float", "float", train(model, dataset, recipe, folder / "float", say_epochs))


def trained_w1a1(folder: Path, name: str) -> Arm:
    history = train_named(
        NamedTraining(
            "resnet8", DATA, "w1a1", widths=WIDTHS[name], seed=SEED, changes={"epochs": EPOCHS[name], **_common()}
        ),
        folder / name,
        say_epochs,
    )
    return _deployed(folder, name, "lce", history)


def converted_int8(folder: Path) -> Arm:
    """int8 without retraining: a network of 8 bits loses nothing by it here."""
    dataset, file = datasets.load(DATA), folder / "int8.tflite"
    deploy = deployment(dataset, "int8")
    deploy.write(load_model(str(_trained(folder, "float"))), file)
    stage = Stage("deployed", deploy.accuracy(file, False), len(dataset.test), "the file, in the runtime")
    return Arm("int8", (stage,), (), str(file))


def retrained(folder: Path, name: str, begin: str) -> Arm:
    result = retrain(
        _trained(folder, begin),
        DATA,
        "w1a8",
        output=folder / f"{name}.tflite",
        run_dir=folder / name,
        parent=_trained(folder, "float"),
        changes={"epochs": EPOCHS[name], "seed": SEED, **_common(), "compute": "float32"},
        progress=say_epochs,
        tell=lambda stage: say(f"{stage.name}: {stage.accuracy:.2%} ({stage.where})"),
    )
    return Arm(name, result.stages, result.epochs, str(result.file))


def _trained(folder: Path, name: str) -> Path:
    path = folder / name / ("model.keras" if name == "float" else "training/model.keras")
    if not path.exists():
        raise InputError(f"{path}: is missing; run the arm {name} first")
    return path


ARMS: dict[str, Callable[[Path], Arm]] = {
    "mlperf": as_they_come,
    "float": trained_float,
    "int8": converted_int8,
    "w1a8": lambda folder: retrained(folder, "w1a8", "float"),
    "w1a8-longer": lambda folder: retrained(folder, "w1a8-longer", "w1a8"),
    "w1a1": lambda folder: trained_w1a1(folder, "w1a1"),
    "w1a1-wide": lambda folder: trained_w1a1(folder, "w1a1-wide"),
}


def _common() -> dict[str, Any]:
    """Of all trainings: 2,000 images held out, a checkpoint every 100 steps, and bfloat16 where the processor has it.

    Signs are exact in bfloat16; the rounding of 8-bit feature maps is not, so retraining is in float32.
    """
    fast = {"avx512_bf16", "amx_bf16"} & machine.cpu_flags()
    return {"hold_out": 2000, "checkpoint_steps": 100, "compute": "bfloat16" if fast else "float32"}


def _mlperf(file: str) -> Path:
    folder = os.environ.get("EDGEBNN_DATA")
    if not folder:
        raise InputError("MLPerf Tiny's files do not come with edgebnn: set EDGEBNN_DATA to the folder that has them")
    return Path(folder) / "mlperf_tiny" / file


def _raw_accuracy(file: Path, test: Any) -> float:
    """Of a file that takes pixels from 0 to 255."""
    model = edgebnn.load(str(file))
    answers = [np.argmax(model(part.astype(np.float32)), axis=1) for part in np.array_split(test.images, 40)]
    return float(np.mean(np.concatenate(answers) == test.labels))


def _deployed(folder: Path, name: str, to: Literal["float", "lce"], history: History) -> Arm:
    test, file = datasets.load(DATA).test, folder / f"{name}.tflite"
    convert(str(history.model_path), file, to=to)
    stages = (
        Stage("float" if to == "float" else "given", history.test_accuracy, len(test), "Keras"),
        Stage("deployed", file_accuracy(file, test.images, test.labels), len(test), "the file, in the runtime"),
    )
    return Arm(name, stages, history.epochs, str(file))


def on_core(file: str, core: str) -> dict[str, Any]:
    """What the C package of a file takes on a simulated core; bytes are those of the linked image."""
    graph = edgebnn.read(file)
    package = generate(graph, CORES[core], "network")
    network = Network(package, compile_package(package))
    inference = network.infer(next(noise(open_model(graph), 1)))
    macs = counts.macs(graph).total
    return {
        "kind": "simulated",
        "instructions": inference.call.instructions,
        "instructions_per_mac": round(inference.call.instructions / macs, 4),
        "flash_bytes": network.image.flash_bytes,
        "code_bytes": network.image.sections["text"],
        "ram_bytes": network.image.ram_bytes,
        "arena_bytes": package.arena_bytes,
        "arena_lower_bound": package.arena_lower_bound,
        "stack_bytes": inference.call.stack_bytes,
        "layers": [
            {"op": layer.kind, "name": layer.name, "function": layer.function, "instructions": section.instructions}
            for layer, section in zip(package.layers, inference.layers, strict=True)
        ],
    }


def write_simulations(folder: Path, arms: list[Arm], cores: list[str]) -> None:
    """``simulated.json``: by network, by core, added to what is there; and a table, in Markdown, on standard output."""
    path = folder / "simulated.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found: dict[str, Any] = {"networks": {}, **known, "compiler": compiler_name()}
    print("| network | core | instructions | a MAC | code | flash | arena | stack |\n|---|---|---|---|---|---|---|---|")
    for arm in arms:
        found["networks"].setdefault(arm.name, {})
        for core in cores:
            row = on_core(arm.file, core)
            found["networks"][arm.name][core] = row
            sizes = (row[f"{what}_bytes"] for what in ("code", "flash", "arena", "stack"))
            cells = [f"{row['instructions']:,}", f"{row['instructions_per_mac']:.3f}", *(f"{size:,}" for size in sizes)]
            print(f"| {arm.name} | {CORES[core].title} | {' | '.join(cells)} |", flush=True)
    write_text(path, json.dumps(found, indent=1) + "\n")


def write_report(folder: Path, arms: list[Arm]) -> None:
    """``results.json``: accuracies (measured, all test images), and what is counted in the files."""
    rows = []
    for arm in arms:
        graph = edgebnn.read(arm.file)
        rows.append(
            {
                "name": arm.name,
                "stages": [asdict(stage) for stage in arm.stages],
                "epochs": len(arm.epochs),
                "seconds": round(sum(epoch.seconds for epoch in arm.epochs)),
                "held_out_accuracy": [epoch.validation_accuracy for epoch in arm.epochs],
                "macs": asdict(counts.macs(graph)),
                "file_bytes": Path(arm.file).stat().st_size,
                "weights": counts.weights(graph),
                "arena_bytes": liveness.peak_arena_bytes(graph),
            }
        )
    value = {"machine": machine.describe(), "kind": "measured", "seed": SEED, "networks": rows}
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "results.json", json.dumps(value, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run-dir", type=Path, required=True, help="where checkpoints and files are kept")
    parser.add_argument("--arm", choices=list(ARMS), action="append", help="only this one; all in turn by default")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write the results of the arms that are done")
    parser.add_argument("--core", choices=list(CORES), action="append", help="with --report, simulate this one too")
    options = parser.parse_args()
    if options.report is not None:
        done = [arm for name in ARMS if (arm := read_arm(options.run_dir, name)) is not None]
        if not done:
            raise SystemExit(f"{options.run_dir}: no arm is done yet")
        write_report(options.report, done)
        if options.core:
            chosen = [arm for arm in done if arm.name in (options.arm or ARMS)]
            write_simulations(options.report, chosen, options.core)
        return
    options.run_dir.mkdir(parents=True, exist_ok=True)
    for name in options.arm or ARMS:
        if read_arm(options.run_dir, name) is None:
            say(f"arm {name}")
            write_arm(options.run_dir, ARMS[name](options.run_dir))
        say(f"arm {name}: done")


if __name__ == "__main__":
    main()
