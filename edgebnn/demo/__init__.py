"""``edgebnn demo``: the whole chain on real data, in one command."""

from .chain import DemoResult, demo

__all__ = ["DemoResult", "demo"]
