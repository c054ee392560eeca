"""Pruning meets a target: a Keras model adapted to a budget that the target measures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from edgebnn.converters.from_keras import input_shapes, load_model
from edgebnn.dataflow.hardware import Hardware
from edgebnn.dataflow.hardware import load as load_hardware
from edgebnn.dataflow.hardware import names as hardware_names
from edgebnn.dataflow.plan import energy_of
from edgebnn.errors import InputError
from edgebnn.graph.kept_metadata import keep
from edgebnn.preprocessing import preprocess
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.latency.table import LatencyTable
from edgebnn.pruning.progress import ProgressCallback
from edgebnn.pruning.search.budget import Budget, parse
from edgebnn.pruning.search.history import Result
from edgebnn.pruning.search.netadapt import adapt, check, check_loads
from edgebnn.pruning.search.resources import Costs
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.search.task import CheckedTask, Task
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers import executors
from edgebnn.reports.pruning import report
from edgebnn.targets import target as target_named
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile
from edgebnn.training import datasets
from edgebnn.training.compute import check_compute
from edgebnn.training.described import described
from edgebnn.training.recipe import Recipe
from edgebnn.training.recipes import float_rate
from edgebnn.training.splits import Dataset

from .deploying import CALIBRATION_IMAGES, deployed, format_of, resources
from .latency_tables import LayerTiming, device, latency_table
from .measuring import measure_models
from .narrower_file import NarrowerFile, as_if_trained

if TYPE_CHECKING:
    from edgebnn._tensorflow import keras

FROM_THE_FILE = ("flash", "ram", "int8_macs")
"""Resources of the converted model: counted for other widths, and read from what an iteration comes to."""
BINARY_RATE = 2e-3
"""The peak of Adam's learning rate in the training at the end."""


@dataclass(frozen=True)
class PruneOptions:
    """How a network is pruned, besides what it is and what it may cost.

    Attributes:
        settings: how to search; the published constants by default.
        table: the file of a latency table to use and to extend, for budgets of latency; made anew in the run's folder
            by default.
        threads: of the deployed network, when latency is measured.
        workers: processes that train proposals on this machine; by default as many as cores and memory allow.
        cluster: the address of a dask scheduler whose workers train the proposals instead.
        imports: modules that define what the network is made of beside Keras' and Larq's layers, as ``--import`` of the
            command line; the run's folder remembers them, and for a network in memory they are found by themselves.
        hardware: the machine whose energy a budget of energy is of, as ``edgebnn plan --hardware`` takes it; by default
            the one that is called as the target is.
        progress: told about every finished proposal, iteration and training step.
    """

    settings: Settings | None = None
    table: Path | None = None
    threads: int = 1
    workers: int | None = None
    cluster: str | None = None
    imports: Sequence[str] = ()
    hardware: str | None = None
    progress: ProgressCallback | None = None


def prune(
    model: str | Path | keras.Model,
    data: str | Path | Dataset,
    target: str | Target = "host",
    budget: str | Budget = "latency=0.6x",
    *,
    run_dir: Path | None = None,
    **options: Any,
) -> keras.Model:
    """A model cut down to a budget by NetAdapt.

    Args:
        model: a Keras model, or what :func:`.from_keras.load_model` takes.
        data: mnist, cifar10, an image folder, or a :class:`Dataset`.
        target: where layers are measured.
        budget: such as ``"latency=0.6x"``.
        run_dir: keeps everything, so that the same call goes on after an interruption. Default: nothing is kept.
        options: those of :class:`PruneOptions`.

    Returns:
        The smaller Keras model, trained for a short term, or as the options say.

    Raises:
        EdgebnnError: as :func:`prune_in` does.
    """
    if run_dir is not None:
        return prune_in(run_dir, model, data, target, budget, PruneOptions(**options)).model
    with tempfile.TemporaryDirectory(prefix="edgebnn-prune-") as folder:
        return prune_in(Path(folder), model, data, target, budget, PruneOptions(**options)).model


def prune_in(
    run_dir: Path,
    model: str | Path | keras.Model,
    data: str | Path | Dataset,
    target: str | Target = "host",
    budget: str | Budget = "latency=0.6x",
    options: PruneOptions | None = None,
) -> Result:
    """:func:`prune` with its outcome and history.

    Args:
        run_dir: keeps history.json, a table, two charts and the model.
        model: a Keras model, or what :func:`.from_keras.load_model` takes.
        data: mnist, cifar10, an image folder, or a :class:`Dataset`.
        target: where layers are measured.
        budget: such as ``"latency=0.6x"``.
        options: how.

    Returns:
        The model, its accuracy and cost, and every iteration.

    Raises:
        InputError: before any work for a network that does not come back from a file where proposals are trained,
            naming the layer; for a budget that cannot be met, data that do not fit, or a folder that holds another run.
        EdgebnnError: where the target cannot run the network, and as :func:`.netadapt.adapt` does.
    """
    options = options or PruneOptions()
    network = load_given(model, run_dir, options.imports) if isinstance(model, str | Path) else model
    place = target_named(target) if isinstance(target, str) else target
    limit = parse(budget) if isinstance(budget, str) else budget
    settings = options.settings or Settings()
    machine = _machine(limit, options.hardware, place)
    if options.cluster is None:  # else it is other machines that compute
        check_compute(settings.compute)
    dataset = data if isinstance(data, Dataset) else data_for(network, data)
    named = f"{machine.name} {machine.digest}" if machine else ""
    task, folder = Task(network, dataset, limit, settings, tuple(options.imports), named), RunFolder(run_dir)
    checked = check(task)
    timing = LayerTiming(place, options.threads, settings.step, options.progress)
    with _executor(task, options) as executor:
        check_loads(task, folder, executor)
        deploy = deployment(network, dataset)
        costs = (
            energy_costs(task.model, deploy, machine)
            if machine
            else _costs(checked, folder, deploy, timing, options.table)
        )
        result = adapt(checked, folder, costs, executor=executor, progress=options.progress)
    told = result.accuracy
    keep(result.model_path, described(dataset, told.short_term if told.long_term is None else told.long_term))
    found = report(result.history)
    folder.save_report(found.table, found.widths, found.accuracy)
    folder.save_plan(checked.plan.explain() + "\n")
    return result


def _costs(
    checked: CheckedTask, folder: RunFolder, deploy: Deployment, timing: LayerTiming, samples: Path | None
) -> Costs:
    """What the budget needs to know of the target. Whole networks are timed, or converted and their files read."""
    task = checked.task
    name = task.budget.resource
    if name == "latency":
        return Costs(
            table=_table(checked, folder, timing, deploy(task.model), samples),
            measure_whole=lambda network: measure_models(timing.target, [deploy(network)], threads=timing.threads)[0],
        )
    if name in FROM_THE_FILE:
        return file_costs(task.model, deploy, name)
    return Costs()


def file_costs(model: keras.Model, deploy: Deployment, name: str) -> Costs:
    """What a network's file takes with other widths, from one conversion.

    Args:
        model: the network.
        deploy: gives the file of a network.
        name: of the resource that whole networks are asked about, one of :data:`FROM_THE_FILE`.

    Returns:
        The costs of widths, counted for a network that has been trained.
    """
    file = NarrowerFile(deploy(as_if_trained(model)).graph, couple(model))
    return Costs(
        cost=lambda widths: resources(file.at(widths)),
        measure_whole=lambda network: resources(deploy(network).graph)[name],
    )


def energy_costs(model: keras.Model, deploy: Deployment, machine: Hardware) -> Costs:
    """What a network takes of energy with other widths, from one conversion.

    Args:
        model: the network.
        deploy: gives the file of a network.
        machine: whose energy is meant.

    Returns:
        The costs of widths, estimated.
    """
    energy = energy_of(machine)
    file = NarrowerFile(deploy(as_if_trained(model)).graph, couple(model))
    return Costs(
        cost=lambda widths: {"energy": energy(file.at(widths))},
        measure_whole=lambda network: energy(deploy(network).graph),
        kind="estimated",
        hardware=machine.name,
        unit=machine.unit,
    )


def _machine(budget: Budget, named: str | None, target: Target) -> Hardware | None:
    """The machine whose energy counts, where energy does.

    Raises InputError where the target's energies are not known, and for a machine that is named without need.
    """
    if budget.resource != "energy":
        if named is not None:
            raise InputError(
                f"budget {budget}: hardware {named} plays no part in it; ask for energy, such as energy=0.7x"
            )
        return None
    if named is None and target.name not in hardware_names():
        raise InputError(
            f"budget {budget}: {target.name}: nothing is known of its energy; say which machine is meant with "
            f"--hardware: {', '.join(hardware_names())} or a file that ends in .toml"
        )
    return load_hardware(named or target.name)


def load_given(model: str | Path, run_dir: Path, imports: Sequence[str] = ()) -> keras.Model:
    """The network that the user names, after importing what it needs.

    Args:
        model: what :func:`.from_keras.load_model` takes.
        run_dir: remembers the modules of an earlier call.
        imports: further modules.

    Returns:
        The Keras model.

    Raises:
        EdgebnnError: as :func:`.from_keras.load_model` does.
    """
    return load_model(str(model), [*imports, *RunFolder(run_dir).modules()])


def data_for(model: keras.Model, data: str | Path) -> Dataset:
    """The data set for a network; images of a folder are resized to what it takes.

    Args:
        model: the network.
        data: what :func:`.datasets.load` takes.

    Returns:
        The data set.

    Raises:
        InputError: as :func:`.datasets.load` does.
    """
    named = str(data) in datasets.SOURCES
    return datasets.load(data, None if named else _image_size(model))


def long_term(model: keras.Model, data: str, epochs: int, settings: Settings) -> Recipe:
    """How to train the pruned network in the end: the kind of recipe it had.

    Float networks start at the rate of a training from the start, since the search leaves them far from an optimum
    (ResNet-8 on CIFAR-10 at 0.54 of its latency, held-out images after five epochs from 0.05, 0.02 and 0.01: 72.3, 72.0
    and 70.3 %). Validated on the images that the search held out, so that neither sees the test images.

    Args:
        model: the network.
        data: name of the data set.
        epochs: of the training.
        settings: of the search.

    Returns:
        The recipe.
    """
    augmentation = {"mnist": "shift"}.get(data, "shift_flip")
    shared = Recipe(
        epochs,
        learning_rate=BINARY_RATE,
        augmentation=augmentation,
        hold_out=settings.hold_out,
        seed=settings.seed,
        compute=settings.compute,
    )
    if {layer.precision for layer in couple(model).layers()} & {"w1a1", "w1a8"}:
        return shared
    normalized = any(type(part).__name__ == "BatchNormalization" for part in model.submodules)
    return replace(shared, optimizer="sgd", learning_rate=float_rate(normalized=normalized), weight_decay=5e-4)


Deployment: TypeAlias = Callable[[Any], ModelFile]


def deployment(model: keras.Model, dataset: Dataset) -> Deployment:
    """Networks like a model as the files that they are deployed as.

    Args:
        model: the network.
        dataset: gives the images for calibration.

    Returns:
        A function from a network to its file.
    """
    images = preprocess(dataset.train.images[:CALIBRATION_IMAGES], _image_size(model))
    form = format_of(couple(model).layers())
    return lambda smaller: deployed(smaller, form, images)


def _image_size(model: keras.Model) -> tuple[int, int]:
    """(height, width) of the one image that the model takes. Raises InputError if it takes something else."""
    shapes = input_shapes(model)
    if len(shapes) != 1 or len(shapes[0]) != 3:
        raise InputError(f"model '{model.name}': takes {', '.join(map(str, shapes))}, not one image")
    return shapes[0][0], shapes[0][1]


def _table(
    checked: CheckedTask, folder: RunFolder, timing: LayerTiming, whole: ModelFile, samples: Path | None
) -> LatencyTable:
    """The table to decide by. Nothing is written into ``folder`` before it is known to be free, or the task's own.

    ``samples``: where layers that were measured are kept, if the user names a file for them.
    """
    task, times_of = checked.task, device(timing, whole)
    if times_of.unit != "ms" and not task.budget.relative:
        raise InputError(
            f"budget {task.budget}: {timing.target.name} tells {times_of.unit}, not times; give a share of what the "
            "network takes, such as latency=0.7x"
        )
    folder.check(task.identity(times_of))
    known = folder.load_table(times_of)  # the run goes on with what its decisions were taken by
    return known or latency_table(timing, checked.plan, whole, samples or folder.samples())


def _executor(task: Task, options: PruneOptions) -> AbstractContextManager[Executor]:
    """Unless told otherwise, as many training processes as cores and memory allow."""
    if options.cluster is not None:
        return executors.cluster(options.cluster)
    return executors.local_pool(options.workers, executors.memory_needed(task.model, task.settings.batch))
