"""The ``edgebnn`` command. Verbs: :mod:`.deployment` and :mod:`.training`; what they share: :mod:`.options`.

Exit codes: 0 done, 1 the check that was asked for failed, 2 bad input or use. With ``--json`` one object goes to
standard output and nothing else; progress and messages go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from edgebnn.cli import deployment, training
from edgebnn.cli.options import cli
from edgebnn.errors import EdgebnnError

__all__ = ["cli", "deployment", "main", "training"]  # the two wings register their verbs with ``cli``


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The ``edgebnn`` command: every foreseen error is one line on standard error and exit code 2."""
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
    sys.exit(code or 0)
