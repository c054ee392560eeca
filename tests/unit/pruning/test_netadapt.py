"""NetAdapt's rules, without training: AlexNet's published figures, and what happens at the edges."""

from __future__ import annotations

from collections.abc import Sequence

from edgebnn.models.alexnet import alexnet
from edgebnn.pruning import search
from edgebnn.pruning.coupling import couple
from edgebnn.pruning.history import Outcome
from edgebnn.pruning.resources import resource
from edgebnn.pruning.search import Candidate, Problem
from edgebnn.pruning.settings import Settings

# layer preferred, the width that the rule gives it, and the network's MACs then (simulated by hand, facts of AlexNet)
ALEXNET = [
    ("conv1", 56, 673_355_240),
    ("conv1", 48, 636_577_040),
    ("conv2", 176, 613_235_216),
    ("conv3", 360, 597_465_488),
    ("conv4", 232, 574_979_024),
    ("fc6", 3008, 560_495_568),
    ("conv2", 160, 537_737_808),
    ("conv5", 224, 522_980_688),
    ("fc6", 1952, 510_139_728),
    ("conv3", 336, 495_830_160),
    ("conv4", 216, 482_202_000),
    ("conv4", 200, 468_573_840),
    ("conv4", 184, 454_945_680),
]


def test_alexnet_comes_to_the_published_widths_in_thirteen_iterations() -> None:
    model = alexnet()
    plan = couple(model)
    macs = resource("macs", model, plan)
    assert macs.value(plan.widths) == 710_133_440
    problem = Problem(plan.widths, [group.name for group in plan.prunable], macs, 710_133_440, 454_945_680)

    def prefer(number: int, target: float, candidates: Sequence[Candidate]) -> list[Outcome]:
        assert [candidate.layer for candidate in candidates][:5] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
        liked = ALEXNET[number - 1][0]
        return [Outcome(c.layer, c.width, c.predicted, float(c.layer == liked), 0.0) for c in candidates]

    found = list(search.search(problem, Settings(), prefer))

    assert [(i.layer, i.widths[i.layer], i.predicted) for i in found] == ALEXNET
    assert all(iteration.predicted <= iteration.target for iteration in found)
    widths = found[-1].widths
    assert [widths[name] for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "logits")] == [
        48,
        160,
        336,
        184,
        224,
        1952,
        4096,
        10,
    ]
    weights = resource("parameters", model, plan)
    assert (weights.value(plan.widths), weights.value(widths)) == (57_035_456, 25_397_904)
