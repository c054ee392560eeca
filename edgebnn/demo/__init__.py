"""``edgebnn demo``: the whole chain on real data, in one command."""

from .chain import demo
from .results import DemoResult

__all__ = ["DemoResult", "demo"]
