"""What lists ops reads their entries: the delegate has the custom ops of the IR, and limits name no op twice."""

from __future__ import annotations

import re

from edgebnn.graph.ops import OPS
from edgebnn.graph.schema import schema
from edgebnn.runtime import build, litert_limits
from edgebnn.runtime.source import CUSTOM_OPS


def test_the_delegate_has_a_kind_for_each_custom_op() -> None:
    text = "".join(source.path.read_text(encoding="utf-8") for source in build.delegate_sources())
    kinds = set(re.findall(r'\.custom_code = "(\w+)"', text))
    assert (
        kinds - set(vars(schema.BuiltinOperator))
        == set(CUSTOM_OPS)
        == {kind for kind, entry in OPS.items() if entry.custom}
    )


def test_limits_of_the_irs_ops_stand_in_their_entries() -> None:
    assert not set(litert_limits._OUTSIDE) & set(OPS)
    assert set(litert_limits._OUTSIDE) <= set(vars(schema.BuiltinOperator))
    assert OPS["CONV_2D"].limits.required == 2
    assert litert_limits._limits_of(schema.BuiltinOperator.CONV_2D) == OPS["CONV_2D"].limits
    assert litert_limits._limits_of(schema.BuiltinOperator.SVDF).required == 4
