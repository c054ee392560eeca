"""A report as the demo makes it, with numbers of the right size, for tests of what shows it."""

from __future__ import annotations

from edgebnn.graph.opdef import Macs
from edgebnn.reports import data as d

_OPS = (
    ("CONV_2D", "resnet8/stem/relu", (1, 14, 14, 32), Macs(float=56_448), 1_280),
    ("LceQuantize", "resnet8/block1/sign", (1, 14, 14, 1), Macs(), 0),
    ("LceBconv2d", "resnet8/block1/conv1", (1, 14, 14, 32), Macs(binary=1_806_336), 1_408),
    ("ADD", "resnet8/block1/add", (1, 14, 14, 32), Macs(), 0),
    ("LceQuantize", "resnet8/block2/sign", (1, 14, 14, 1), Macs(), 0),
    ("LceBconv2d", "resnet8/block2/conv1", (1, 7, 7, 64), Macs(binary=903_168), 2_816),
    ("AVERAGE_POOL_2D", "resnet8/block2/pool", (1, 7, 7, 32), Macs(), 0),
    ("CONV_2D", "resnet8/block2/shortcut", (1, 7, 7, 64), Macs(float=100_352), 8_448),
    ("ADD", "resnet8/block2/add", (1, 7, 7, 64), Macs(), 0),
    ("MEAN", "resnet8/pool", (1, 64), Macs(), 8),
    ("FULLY_CONNECTED", "resnet8/logits", (1, 10), Macs(float=640), 2_600),
)
_TIMES = (
    ((0,), 0.021),
    ((1,), 0.003),
    ((2,), 0.034),
    ((3,), 0.006),
    ((4,), 0.003),
    ((5,), 0.019),
    ((6, 7, 8, 9, 10), 0.047),
)


def dataflow() -> d.Dataflow:
    """A plan of three layers in two precisions."""

    def amounts(**values: float) -> tuple[d.Amount, ...]:
        return tuple(d.Amount(name, value) for name, value in values.items())

    layers = tuple(
        d.LayerCosts(name, precision, macs, milliseconds, bound, outer, energy, accesses)
        for name, precision, macs, milliseconds, bound, outer, energy, accesses in (
            ("stem", "float", 56_448, 0.0094, "compute", 9_000, amounts(DRAM=1.5e6, L1=2e5, MAC=1.2e6), (40, 300)),
            ("conv1", "binary", 1_806_336, 0.014, "compute", 8_000, amounts(DRAM=1.3e6, L1=1e5, MAC=3.1e6), (30, 200)),
            ("logits", "float", 640, 0.0006, "DRAM", 2_700, amounts(DRAM=4e5, L1=1e4, MAC=1e4), (9, 20)),
        )
        for accesses in (amounts(DRAM=accesses[0], L1=accesses[1]),)
    )
    roofs = (d.Roof("float", 6e9), d.Roof("binary", 1.28e11))
    return d.Dataflow("A <machine>", "a source", "pJ", 1, "DRAM", "L1", 4.5e9, roofs, layers, ())


def report() -> d.ReportData:
    """A complete report."""
    layers = tuple(
        d.Layer(i, op, name, shape, "int32" if op == "LceQuantize" else "float32", macs, weights)
        for i, (op, name, shape, macs, weights) in enumerate(_OPS)
    )
    total = 0.137
    stretches = tuple(
        d.Stretch(_OPS[members[0]][0], members, _OPS[members[0]][0].startswith("Lce"), time, time / total)
        for members, time in _TIMES
    )
    device = "Intel Xeon Platinum 8375C, x86_64, 2 cores"
    return d.ReportData(
        title="A binarized ResNet-8 on MNIST",
        created="2026-11-24T08:10:00+00:00",
        model=d.ModelFacts("ResNet-8", "1-bit weights and activations", "MNIST", (28, 28, 1), 10, 78_666),
        accuracy=d.Accuracy(deployed=0.9889, keras=0.989, samples=10_000, required=0.985),
        recipe=(
            d.Fact("epochs", "6"),
            d.Fact("batch", "128"),
            d.Fact("optimizer", "Adam"),
            d.Fact("learning rate", "0.005, cosine"),
        ),
        epochs=tuple(
            d.Epoch(i + 1, 1 - a, a - 0.005, 1 - a, a, 40.0)
            for i, a in enumerate((0.878, 0.767, 0.983, 0.986, 0.988, 0.989))
        ),
        layers=layers,
        timing=d.Timing("host", device, "measured", "ms", 1, "median of 50", total, stretches),
        baselines=(
            d.BaselineTiming("the float ResNet-8 in stock LiteRT", "measured", "ms", 0.37, total, 2.7, 0.2, 50),
        ),
        sizes=d.Sizes(
            float_file=324_508,
            deployed_file=24_904,
            layers=tuple(
                d.Size(name, weights * (20 if op == "LceBconv2d" else 1), weights)
                for op, name, _, _, weights in _OPS
                if weights
            ),
            peak_ram=50_176,
        ),
        agreements=(
            d.Agreement("Keras", 10_000, 9_998, 0, 41, 0.72, 38.5, "Keras sums floats in another order"),
            d.Agreement("the reference executor", 10_000, 10_000, 9_310, 0, 3.1e-6, 38.5),
        ),
        lint_subjects=("the Keras model", "resnet8.tflite"),
        findings=(
            d.Finding(
                "the Keras model",
                "warning",
                "channels-off-32",
                "block1/conv1",
                "48 channels fill one and a half words.",
                "Use 64.",
            ),
        ),
        pruning=d.Pruning(
            resource="latency",
            unit="ms",
            initial=0.0285,
            budget=0.0242,
            predicted=0.0239,
            met=True,
            iterations=4,
            widths=(d.Width("stem_conv", 32, 32), d.Width("stage2_block1_shortcut1_conv", 64, 40)),
            required=0.975,
            stages=tuple(
                d.Stage(name, accuracy, 10_000, where)
                for name, accuracy, where in (
                    ("as given", 0.989, "Keras"),
                    ("cut, not trained since", 0.781, "Keras"),
                    ("after short-term training", 0.962, "Keras"),
                    ("after long-term training", 0.985, "Keras"),
                    ("deployed", 0.9849, "the file, in the runtime"),
                )
            ),
            timing=d.BaselineTiming(
                "the network before pruning, deployed", "measured", "ms", 0.137, 0.116, 1.18, 0.05, 200
            ),
            bytes_before=24_904,
            bytes_after=19_200,
            folder="pruning-0123456789ab",
        ),
        retraining=d.Retraining(
            network="resnet8, 16, 32, 64 channels",
            required=0.99,
            within=0.003,
            stages=tuple(
                d.Stage(name, accuracy, 10_000, where)
                for name, accuracy, where in (
                    ("float", 0.9931, "Keras"),
                    ("post-training", 0.1042, "the file, deployed, without retraining"),
                    ("retrained", 0.9918, "Keras, with fake quantization"),
                    ("converted", 0.9917, "the file, on exact kernels"),
                    ("deployed", 0.9919, "the file, in the runtime"),
                )
            ),
            epochs=4,
            seconds=81.5,
            packed_bytes=30_624,
            int8_bytes=98_312,
        ),
        dataflow=dataflow(),
        microcontroller=d.OnMicrocontroller(
            core="Cortex-M4",
            kind="simulated",
            networks=(
                d.OnCore(
                    precision="W1A8",
                    file_bytes=30_624,
                    samples=3,
                    bit_exact=True,
                    mismatches=0,
                    macs=12_501_632,
                    instructions=9_876_543,
                    flash_bytes=41_216,
                    arena_bytes=33_456,
                    layers=(
                        d.LayerCount("EdgebnnConv2dW1A8", "stage1/conv1", "eb_conv_w1a8_dsp", 9_000_000),
                        d.LayerCount("ADD", "stage1/add", "eb_add_s8", 876_000),
                    ),
                ),
                d.OnCore("the same in int8", 98_312, 3, False, 0, 12_501_632, 20_000_000, 110_000, 33_456, ()),
            ),
        ),
        on_pi=d.OnPi("qemu-aarch64", "emulated cortex-a76", "emulated", 3, True, False, 2.5e-7),
        reproduce=d.Reproduce(
            commands=("python3 tools/demo.py", "edgebnn demo -o runs/demo --seed 0"),
            seed=0,
            versions=(d.Fact("edgebnn", "0.1.0"), d.Fact("ai-edge-litert", "2.3.0"), d.Fact("tensorflow", "2.16.2")),
            machine=(
                d.Fact("processor", device),
                d.Fact("system", "Linux 6.1 (Debian 12)"),
                d.Fact("Python", "3.11.2"),
            ),
        ),
    )
