"""The ``edgebnn`` command. Verbs: :mod:`.conversion`, :mod:`.deployment`, :mod:`.devices` and :mod:`.training`; what
they share: :mod:`.options`.

Exit codes: 0 done, 1 the check that was asked for failed, 2 bad input or use. With ``--json`` one object goes to
standard output and nothing else; progress and messages go to standard error.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from edgebnn.cli import conversion, deployment, devices, training
from edgebnn.cli.options import cli
from edgebnn.errors import EdgebnnError, InputWarning

__all__ = [
    "cli",
    "conversion",
    "deployment",
    "devices",
    "main",
    "training",
]  # the four register their verbs with ``cli``


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The ``edgebnn`` command: a foreseen error or warning is one line on standard error; exit code 2 for errors."""
    show = warnings.showwarning

    def show_in_a_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, InputWarning):
            click.echo(f"edgebnn: warning: {' '.join(str(message).split())}", err=True)
        else:
            show(message, category, *rest, **more)

    warnings.showwarning = show_in_a_line
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="edgebnn", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgebnn: interrupted; what was finished is kept", err=True)
        code = 130
    except EdgebnnError as error:
        click.echo(f"edgebnn: {' '.join(str(error).split())}", err=True)
        code = 2
    finally:
        warnings.showwarning = show
    sys.exit(code or 0)
