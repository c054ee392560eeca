#!/usr/bin/env python3
"""One trained network adapted by NetAdapt to the same share of MACs, and of estimated energy on several machines.

Usage: .venv/bin/python -m tools.experiments.energy_widths MODEL.keras --run-dir DIR [--data cifar10] [--share 0.7]
       [--hardware eyeriss,pi4] [--ratio 0.06] [--short-term 5] [--batch 64] [--hold-out 512] [--test-images 2000]
       [--oracle]

All runs have the same settings, data and seed; what differs is the resource. Every run is resumable: after a kill the
same command goes on. widths.json has, for each run, the widths, the layers chosen, the accuracies, and what its network
takes of every run's resource; and for the network as given, each layer's share of them. oracle.json has the same
searches without training, by an oracle for which all layers are equally sensitive (--oracle: only that).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgebnn import machine
from edgebnn.converters.from_keras import load_model
from edgebnn.dataflow import hardware
from edgebnn.dataflow.plan import energy_of
from edgebnn.dataflow.plan import plan as planned
from edgebnn.dataflow.workload import workloads
from edgebnn.files import write_text
from edgebnn.graph.types import Graph
from edgebnn.pruning.channels.coupling import Plan, couple
from edgebnn.pruning.search import algorithm
from edgebnn.pruning.search.algorithm import Candidate, Problem, Resource
from edgebnn.pruning.search.history import Iteration, Outcome, Result
from edgebnn.pruning.search.resources import Costs, resource
from edgebnn.pruning.settings import Settings
from edgebnn.reports import format
from edgebnn.training import datasets
from edgebnn.training.compute import COMPUTES
from edgebnn.training.splits import Dataset
from edgebnn.workflows.narrower_file import NarrowerFile
from edgebnn.workflows.prune import PruneOptions, deployment, prune_in
from tools.experiments.saying import say, say_pruning

MACS = "macs"

Layers: TypeAlias = Callable[[Graph], Mapping[str, float]]
"""What each layer of a network takes of a resource, by name."""


@dataclass(frozen=True)
class Study:
    """The network, its data, and how it is adapted; ``machines`` are those whose energy is a budget."""

    folder: Path
    model: Any
    dataset: Dataset
    share: float
    machines: tuple[str, ...]
    settings: Settings
    workers: int


def adapted(study: Study, name: str) -> Result:
    """The network adapted to ``name``: MACs, or the energy of a machine called so."""
    say(f"adapting to {study.share}x of {name}")
    energy = name != MACS
    return prune_in(
        study.folder / name,
        study.model,
        study.dataset,
        "host",
        f"{'energy' if energy else MACS}={study.share}x",
        PruneOptions(study.settings, workers=study.workers, hardware=name if energy else None, progress=say_pruning),
    )


def layers_by(name: str) -> Layers:
    """MACs of each layer, or the energy on a machine called so, for one sample."""
    if name == MACS:
        return lambda graph: {format.layer(layer.name): layer.macs for layer in workloads(graph)[0]}
    chip = hardware.load(name)
    return lambda graph: {format.layer(layer.name): sum(layer.energy.values()) for layer in planned(graph, chip).layers}


def converted(study: Study) -> NarrowerFile:
    """The network as it is deployed, to be asked about with other widths."""
    return NarrowerFile(deployment(study.model, study.dataset)(study.model).graph, couple(study.model))


def cost_of(name: str, file: NarrowerFile, plan: Plan) -> Resource:
    """The resource ``name`` of a converted network as a function of its widths, as :func:`prune_in` has it."""
    if name == MACS:
        return resource(MACS, plan, Costs())
    energy = energy_of(hardware.load(name))
    return resource("energy", plan, Costs(lambda widths: {"energy": energy(file.at(widths))}))


def searched(cost: Resource, plan: Plan, share: float, settings: Settings) -> list[Iteration]:
    """NetAdapt's iterations with an oracle in place of training: all layers are equally sensitive.

    A network's accuracy is 1 less the mean, over the layers, of the square of the share of its channels that a layer
    lost. So what decides is how much of a layer has to go for one saving.
    """
    names = tuple(group.name for group in plan.prunable)
    whole, initial = plan.widths, cost.value(plan.widths)
    now = dict(whole)

    def judge(number: int, limit: float, candidates: Sequence[Candidate]) -> list[Outcome]:
        found = []
        for one in candidates:
            widths = {**now, one.layer: one.width}
            loss = sum((1 - widths[name] / whole[name]) ** 2 for name in names) / len(names)
            found.append(Outcome(one.layer, one.width, one.predicted, 1 - loss, loss))
        return found

    iterations = []
    for iteration in algorithm.search(Problem(whole, names, cost, initial, share * initial), settings, judge):
        now.update(iteration.widths)
        iterations.append(iteration)
    return iterations


def by_oracle(study: Study, file: NarrowerFile) -> dict[str, Any]:
    """The widths that the oracle leads to, and what the first iteration would cut each layer to, by resource."""
    plan, found = couple(study.model), {}
    for name in (MACS, *study.machines):
        iterations = searched(cost_of(name, file, plan), plan, study.share, study.settings)
        found[name] = {
            "widths": dict(iterations[-1].widths),
            "layers": [iteration.layer for iteration in iterations],
            "first": {proposal.layer: proposal.width for proposal in iterations[0].proposals},
        }
        say(f"by oracle, {name}: {json.dumps(found[name])}")
    return found


def report(study: Study, results: Mapping[str, Result]) -> dict[str, Any]:
    """All that the study found, as JSON can hold it."""
    file = converted(study)
    widths = couple(study.model).widths
    measures = {name: layers_by(name) for name in results}
    whole = {name: layers(file.at(widths)) for name, layers in measures.items()}
    totals = {name: sum(parts.values()) for name, parts in whole.items()}
    return {
        "machine": machine.describe(),
        "kind": "MACs counted, energy estimated by the dataflow model for one sample, accuracies measured",
        "settings": study.settings.as_json(),
        "share": study.share,
        "test_images": len(study.dataset.test),
        "widths": dict(widths),
        "layer_shares": {
            name: {layer: part / totals[name] for layer, part in parts.items()} for name, parts in whole.items()
        },
        "runs": {
            name: {
                "widths": dict(result.iterations[-1].widths),
                "layers": [iteration.layer for iteration in result.iterations],
                "met": result.met,
                "held_out": result.iterations[-1].accuracy,
                "accuracy": asdict(result.accuracy),
                "takes": {
                    other: sum(layers(file.at(result.iterations[-1].widths)).values()) / totals[other]
                    for other, layers in measures.items()
                },
            }
            for name, result in results.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="a trained .keras file")
    parser.add_argument("--run-dir", type=Path, required=True, help="where checkpoints and results are kept")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--hardware", default="eyeriss,pi4")
    parser.add_argument("--ratio", type=float, default=0.06, help="what the first iteration saves")
    parser.add_argument("--short-term", type=int, default=5, help="steps for each proposal")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hold-out", type=int, default=512)
    parser.add_argument("--test-images", type=int, default=2000, help="that judge each network, drawn once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--compute", default="float32", choices=COMPUTES)
    parser.add_argument("--oracle", action="store_true", help="train nothing: only the searches by an oracle")
    options = parser.parse_args()
    data = datasets.load(options.data)
    drawn = np.sort(np.random.default_rng(options.seed).permutation(len(data.test))[: options.test_images])
    study = Study(
        folder=options.run_dir,
        model=load_model(options.model),
        dataset=replace(data, test=data.test.take(drawn)),
        share=options.share,
        machines=tuple(options.hardware.split(",")),
        settings=Settings(
            ratio=options.ratio,
            steps=options.short_term,
            batch=options.batch,
            hold_out=options.hold_out,
            seed=options.seed,
            compute=options.compute,
        ),
        workers=options.workers,
    )
    oracle = by_oracle(study, converted(study))
    write_text(study.folder / "oracle.json", json.dumps({"kind": "energy estimated", **oracle}, indent=1) + "\n")
    if options.oracle:
        return
    results: dict[str, Result] = {}
    for name in (MACS, *study.machines):
        results[name] = adapted(study, name)
        found = report(study, results)
        write_text(study.folder / "widths.json", json.dumps(found, indent=1) + "\n")
        say(f"{name}: {json.dumps(found['runs'][name])}")


if __name__ == "__main__":
    main()
