"""``edgebnn demo``: the whole chain on real data, in one command."""

from edgebnn.reports.data import DemoResult

from .chain import demo

__all__ = ["DemoResult", "demo"]
