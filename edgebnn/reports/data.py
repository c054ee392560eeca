"""What a report says, as plain values: everything the HTML shows is here, and JSON carries it without loss.

Times are in the unit named, sizes in bytes, accuracies and shares from 0 to 1. Wherever a number was taken
on a device, its ``kind`` says whether it was measured, emulated, simulated or estimated, and ``device`` says where.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgebnn.graph.opdef import Macs
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.power import Energy
from edgebnn.runtime.profile import Kind, OpProfile, Unit

AGREEMENT = 1e-4
"""Of the range of the outputs: a larger difference is not the rounding of the last layers alone."""


@dataclass(frozen=True)
class ModelFacts:
    """Which network on which task. ``input_shape`` is H, W, C."""

    name: str
    precision: str
    dataset: str
    input_shape: tuple[int, ...]
    classes: int
    parameters: int


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy of the deployed file over ``samples`` test images, beside Keras on the same images.

    ``required`` is the bar of the run: below it the run has failed.
    """

    deployed: float
    keras: float
    samples: int
    required: float

    @property
    def passed(self) -> bool:
        return self.deployed >= self.required


@dataclass(frozen=True)
class Stage:
    """Accuracy at one stage of a retraining; ``where`` is what computed it."""

    name: str
    accuracy: float
    samples: int
    where: str


@dataclass(frozen=True)
class Retraining:
    """A network brought to fewer bits: ``stages`` in order, the first in float and the last deployed.

    ``required`` is the bar for the deployed one, ``within`` how much less accurate it may be than the float one.
    ``packed_bytes`` is the deployed file, ``int8_bytes`` the same network with a byte for each weight.
    """

    network: str
    required: float
    within: float
    stages: tuple[Stage, ...]
    epochs: int
    seconds: float
    packed_bytes: int
    int8_bytes: int

    @property
    def deployed(self) -> float:
        return self.stages[-1].accuracy

    @property
    def passed(self) -> bool:
        return self.deployed >= max(self.required, self.stages[0].accuracy - self.within)


@dataclass(frozen=True)
class Width:
    """Channels that are cut together, named after the first layer that gives them."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Pruning:
    """A network cut down to a budget.

    ``resource`` is what the budget is of, in ``unit``; ``stages`` are accuracies, the first as given and the last
    deployed; ``timing`` is the deployed file timed in turn with the one before pruning. ``met``: the budget, as
    predicted. ``required`` is the bar for the deployed accuracy.
    """

    resource: str
    unit: str
    initial: float
    budget: float
    predicted: float
    met: bool
    iterations: int
    widths: tuple[Width, ...]
    required: float
    stages: tuple[Stage, ...]
    timing: BaselineTiming
    bytes_before: int
    bytes_after: int
    folder: str

    @property
    def deployed(self) -> float:
        return self.stages[-1].accuracy

    @property
    def passed(self) -> bool:
        return self.met and self.deployed >= self.required


@dataclass(frozen=True)
class Epoch:
    """One epoch of training, counted from 1; the validation figures are None where no images were held out."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Layer:
    """One op of the deployed file, by its index there."""

    index: int
    op: str
    name: str
    output_shape: tuple[int, ...]
    output_dtype: str
    macs: Macs
    weight_bytes: int


@dataclass(frozen=True)
class Stretch:
    """A part of one inference that is timed as one: an op of ours, or ops that LiteRT runs together.

    ``members`` are the indices of its layers, ``ours`` says whether edgebnn's kernels run it.
    """

    label: str
    members: tuple[int, ...]
    ours: bool
    value: float
    share: float


@dataclass(frozen=True)
class Timing:
    """The cost of one inference. ``total`` is taken around the whole inference, not summed from the parts.

    ``statistic`` says what of the repeats is given.
    """

    target: str
    device: str
    kind: Kind
    unit: str
    threads: int
    statistic: str
    total: float
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Baseline:
    """What the model was timed against. ``ratio`` is the median of theirs / ours, pair by pair.

    ``value`` is in the benchmark's unit; ``median_ms`` is None where that is not ms.
    """

    name: str
    median_ms: float | None
    ratio: float
    ratio_spread: float
    value: float


@dataclass(frozen=True)
class Benchmark:
    """Field names are the JSON's. ``value`` is the median of one inference in ``unit``.

    Of times, ``median_ms`` is the same, ``spread_ms`` the interquartile range and ``interval_ms`` where the median
    lies with 95 % confidence; they are None of what is counted. ``samples_ms``: all times, in their order. ``flags``:
    what is wrong with the figures, in words. ``before`` and ``after``: the conditions around the measurement. ``ops``:
    the times of the ops, from inferences of their own. ``sha256``: of the model's file; ``schedule``: the file that its
    kernels followed. ``date``: UTC, ISO 8601.
    """

    model: str
    target: str
    device: str
    kind: Kind
    threads: int
    repeats: int
    median_ms: float | None
    spread_ms: float | None
    against: Baseline | None
    unit: Unit
    value: float
    interval_ms: tuple[float, ...] | None = None
    samples_ms: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    pinned: tuple[int, ...] = ()
    before: Conditions | None = None
    after: Conditions | None = None
    energy: Energy | None = None
    ops: tuple[OpProfile, ...] = ()
    schedule: str | None = None
    sha256: str = ""
    fingerprint: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""
    format: str = "edgebnn-benchmark-1"


@dataclass(frozen=True)
class BaselineTiming:
    """Another model timed in turn with ours: ``ratio`` is theirs over ours, so above 1 ours is faster.

    It is the median of the ratios of all pairs, ``ratio_spread`` the distance between their quartiles.
    """

    name: str
    kind: Kind
    unit: str
    median: float
    ours: float
    ratio: float
    ratio_spread: float
    pairs: int


@dataclass(frozen=True)
class Size:
    """Bytes of one layer's constants in the float file and in the deployed one."""

    layer: str
    float_bytes: int
    deployed_bytes: int


@dataclass(frozen=True)
class Sizes:
    """The two files, whole and by layer. ``layers`` holds those with constants in either."""

    float_file: int
    deployed_file: int
    layers: tuple[Size, ...]
    peak_ram: int


@dataclass(frozen=True)
class Agreement:
    """How the deployed model's outputs compare with another way to compute them, over ``samples`` inputs.

    same_class:   how many predictions are the same.
    bit_equal:    how many inputs give the same outputs in every bit.
    mismatches:   how many give outputs that differ by more than :data:`AGREEMENT` of ``output_range``: a float rounding
                  near zero has flipped a sign on the way, since rounding alone stays far below that.
    max_abs_diff: over all outputs; ``output_range`` is the distance of the reference's largest from its smallest.
    """

    reference: str
    samples: int
    same_class: int
    bit_equal: int
    mismatches: int
    max_abs_diff: float
    output_range: float
    note: str = ""


@dataclass(frozen=True)
class LayerCount:
    """Instructions of one layer in one inference, and the C function that executes them."""

    op: str
    name: str
    function: str
    instructions: int


@dataclass(frozen=True)
class OnCore:
    """One network as C on a microcontroller's core.

    bit_exact:    whether all of ``samples`` images gave what the reference executor gives, in every bit.
    mismatches:   output elements beyond the tolerance.
    instructions: of one inference; ``layers`` says where they go.
    flash_bytes:  code, tables and initial values; arena_bytes: the memory that it works in.
    """

    precision: str
    file_bytes: int
    samples: int
    bit_exact: bool
    mismatches: int
    macs: int
    instructions: int
    flash_bytes: int
    arena_bytes: int
    layers: tuple[LayerCount, ...]


@dataclass(frozen=True)
class OnMicrocontroller:
    """Networks on one core. ``kind`` is that of the instructions; accuracies are those of the files."""

    core: str
    kind: Kind
    networks: tuple[OnCore, ...]

    @property
    def passed(self) -> bool:
        return all(network.mismatches == 0 for network in self.networks)


@dataclass(frozen=True)
class OnPi:
    """How the pruned network's answers on a device compare with the reference's. ``kind`` is that of the device."""

    target: str
    device: str
    kind: Kind
    samples: int
    passed: bool
    bit_exact: bool
    max_abs_diff: float


@dataclass(frozen=True)
class Finding:
    """What lint said, ``stage`` being what it looked at: the Keras model or the file."""

    stage: str
    level: str
    rule: str
    layer: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Amount:
    """Of energy or accesses: what it goes to, and how much."""

    name: str
    value: float


@dataclass(frozen=True)
class LayerCosts:
    """One layer on a machine, estimated. ``outer_bytes`` are those of the outermost memory; ``energy`` and
    ``accesses`` are by memory, the outermost first, energy also by network and multiplication."""

    name: str
    precision: str
    macs: int
    latency_ms: float
    bound_by: str
    outer_bytes: int
    energy: tuple[Amount, ...]
    accesses: tuple[Amount, ...]

    @property
    def total_energy(self) -> float:
        return sum(amount.value for amount in self.energy)


@dataclass(frozen=True)
class Roof:
    """Multiply-accumulates of one precision that a machine computes in a second at most."""

    precision: str
    macs_per_second: float


@dataclass(frozen=True)
class Dataflow:
    """A model on a machine, estimated by the dataflow model for ``batch`` samples; energies are in ``unit``.

    ``outer`` and ``innermost`` are names of memories, ``bytes_per_second`` the rate of the outer one. ``unplanned``
    multiplies and accumulates, too, but was not estimated.
    """

    hardware: str
    source: str
    unit: str
    batch: int
    outer: str
    innermost: str
    bytes_per_second: float
    roofs: tuple[Roof, ...]
    layers: tuple[LayerCosts, ...]
    unplanned: tuple[str, ...]
    kind: Kind = "estimated"

    @property
    def latency_ms(self) -> float:
        return sum(layer.latency_ms for layer in self.layers)

    @property
    def total_energy(self) -> float:
        return sum(layer.total_energy for layer in self.layers)

    @property
    def total_macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def innermost_accesses(self) -> float:
        return sum(one.value for layer in self.layers for one in layer.accesses if one.name == self.innermost)


@dataclass(frozen=True)
class Fact:
    """One line of a list: a name and its value, both as text."""

    name: str
    value: str


@dataclass(frozen=True)
class Reproduce:
    """How to get these numbers again."""

    commands: tuple[str, ...]
    seed: int
    versions: tuple[Fact, ...]
    machine: tuple[Fact, ...]


@dataclass(frozen=True)
class ReportData:
    """A whole report. ``created`` is ISO 8601; a part that a run did not make is None or empty and not shown."""

    title: str
    created: str
    model: ModelFacts
    accuracy: Accuracy | None
    recipe: tuple[Fact, ...]
    epochs: tuple[Epoch, ...]
    layers: tuple[Layer, ...]
    timing: Timing | None
    baselines: tuple[BaselineTiming, ...]
    sizes: Sizes | None
    agreements: tuple[Agreement, ...]
    lint_subjects: tuple[str, ...]
    findings: tuple[Finding, ...]
    reproduce: Reproduce
    retraining: Retraining | None = None
    pruning: Pruning | None = None
    microcontroller: OnMicrocontroller | None = None
    on_pi: OnPi | None = None
    dataflow: Dataflow | None = None


@dataclass(frozen=True)
class DemoResult:
    """The outcome; field names are the JSON's. Accuracies are shares, ``latency_ms`` is of this machine,
    ``latency_kind`` says how.

    ``passed`` is whether the deployed model reached ``required``, and the pruned one and the one retrained to W1A8
    what they have to, and whether their C on a microcontroller computes what the reference computes; ``on_pi`` is null
    where this machine cannot emulate a Raspberry Pi.
    """

    passed: bool
    accuracy: float
    required: float
    keras_accuracy: float
    samples: int
    agreements: tuple[Agreement, ...]
    latency_ms: float
    latency_kind: Kind
    file_bytes: int
    float_file_bytes: int
    retraining: Retraining
    pruning: Pruning
    microcontroller: OnMicrocontroller
    on_pi: OnPi | None
    dataflow: Dataflow
    seconds: float
    model: str
    pruned_model: str
    retrained_model: str
    report: str
    report_data: str
