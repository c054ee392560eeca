"""What all verbs of the command line share: how one is registered, and how it speaks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from edgebnn.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebnn.runtime.profile import Unit
    from edgebnn.targets.interface import Target

Command = TypeVar("Command", bound=Callable[..., Any])

OUT = Console()
ERR = Console(stderr=True)
FILE = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="edgebnn")
def cli() -> None:
    """From a Larq/Keras model to a measured 1-bit model."""


def verb(example: str) -> Callable[[Command], Command]:
    """Register a verb: its help ends with ``example``, and it takes ``--json``."""

    def decorate(function: Command) -> Command:
        epilog = f"Example: {example}"
        option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
        cli.command(name=function.__name__.rstrip("_"), epilog=epilog)(option(function))
        return function

    return decorate


def show(as_json: bool, value: dict[str, Any], *shown: RenderableType) -> None:
    """Print ``value`` as JSON, or what a person reads."""
    if as_json:
        click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))
    else:
        for item in shown:
            if isinstance(item, str):
                click.echo(item)  # as it is: a path or a command that is wrapped cannot be copied
            else:
                OUT.print(item)


def _finite(value: object) -> object:
    """The value with null for infinities and NaN, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def status(message: str) -> AbstractContextManager[object]:
    """A spinner on standard error while one thing is done that cannot tell how far it is."""
    return ERR.status(message) if ERR.is_terminal else nullcontext()


def number_of_bytes(text: str) -> int:
    """``65536``, ``64k`` or ``2M``."""
    factor = {"k": 1 << 10, "K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
    digits = text if factor == 1 else text[:-1]
    if not (digits.isascii() and digits.isdecimal() and int(digits)):
        raise click.BadParameter(f"{text!r} is no number of bytes, such as 65536, 64k or 2M")
    return int(digits) * factor


_target = click.option(
    "--target",
    multiple=True,
    default=("host",),
    show_default=True,
    callback=lambda context, option, value: _only(value),
    help="Where to run: a name (edgebnn targets), or ssh://user@host.",
)
_key = click.option(
    "--key",
    type=FILE,
    expose_value=False,
    callback=lambda context, option, value: _remember(context, "key", value),
    help="The private key for ssh://; by default the agent's, those in ~/.ssh and what ~/.ssh/config says.",
)
_accept = click.option(
    "--accept-host-key",
    is_flag=True,
    expose_value=False,
    callback=lambda context, option, value: _remember(context, "accept_new_host", value),
    help="Record the key of an ssh:// host that is not in known_hosts; one that has changed is refused all the same.",
)
_wheels = click.option(
    "--wheels",
    type=FILE,
    expose_value=False,
    callback=lambda context, option, value: _remember(context, "wheels", value),
    help="A folder of the wheels that a device needs, where this machine has no network; errors say how to fill it.",
)
_ACCESS = "edgebnn.cli.access"


_targets = click.option(
    "--target",
    "targets",
    multiple=True,
    default=("host",),
    show_default=True,
    help="Where to measure; may be given several times, for equal boards that measure side by side.",
)


def targets_option(command: Command) -> Command:
    """Where a verb measures: ``targets``, which :func:`find_targets` finds by the other options that are of devices."""
    return _targets(_key(_accept(_wheels(command))))


def target_option(command: Command) -> Command:
    """Where a verb runs: ``target``, which :func:`find_target` finds by the other options that are of devices."""
    return _target(_key(_accept(_wheels(command))))


def _only(names: tuple[str, ...]) -> str:
    """The one target. Raises InputError where several are named: click would take the last one in silence."""
    if len(names) != 1:
        raise InputError(f"--target {' --target '.join(names)}: this takes one; only prune measures on several")
    return names[0]


def _remember(context: click.Context, name: str, value: object) -> None:
    context.meta.setdefault(_ACCESS, {})[name] = value


def find_target(name: str) -> Target:
    """The target that is called so, logged in to as this command's options say. Raises EdgebnnError."""
    import edgebnn
    from edgebnn.targets.linux.access import Access

    context = click.get_current_context()
    found = edgebnn.target(name, Access(**context.meta.get(_ACCESS, {})))
    context.call_on_close(found.close)
    return found


threads_option = click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
repeats_option = click.option("--repeats", type=click.IntRange(4), default=30, show_default=True)
_unit = click.option(
    "--unit",
    type=click.Choice(["ms", "instructions", "cycles"]),
    help="Of the figures; by default the target's own: ms, or of simulated cores instructions, which qemu-aarch64 and "
    "qemu-armv7 count, too. Cycles are estimated.",
)
_wait_states = click.option(
    "--wait-states",
    type=click.IntRange(0, 20),
    default=0,
    show_default=True,
    help="Of a microcontroller's flash, for cycles.",
)


def unit_options(command: Command) -> Command:
    """What figures a target gives: ``unit``, ``wait_states``."""
    return _unit(_wait_states(command))


def find_targets(names: Sequence[str], unit: Unit | None, wait_states: int) -> Target:
    """The target of that name, or several equal boards as one, with figures of the unit requested, as
    :func:`target_in_unit`. Raises EdgebnnError."""
    from edgebnn.targets.boards_together import BoardsTogether

    found = [target_in_unit(name, unit, wait_states) for name in names]
    return found[0] if len(found) == 1 else BoardsTogether(found)


def target_in_unit(name: str, unit: Unit | None, wait_states: int) -> Target:
    """The target that is called so, with figures of its own unit, or of the one requested."""
    found = find_target(name)
    return found if unit is None and not wait_states else found.in_unit(unit or found.unit, wait_states)


signature_option = click.option("--signature", help="Which graph to run of a file that has several.")
schedule_option = click.option(
    "--schedule",
    type=FILE,
    help="Kernels, loop orders and tiles by layer (plan --save-schedule); else MODEL.schedule.json.",
)
input_option = click.option(
    "--input", "input_path", type=FILE, help="An .npy of inputs [N, ...], .npz for several; without it: noise."
)
import_option = click.option(
    "--import",
    "imports",
    metavar="MODULE",
    multiple=True,
    help="A Python module that defines layers or quantizers of a saved MODEL; may be given several times.",
)
