"""The verb that puts models on devices to stay there: thin: parse, call the room, print."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgebnn.cli.options import (
    FILE,
    find_target,
    input_option,
    schedule_option,
    show,
    signature_option,
    status,
    target_option,
    verb,
)


@verb("edgebnn deploy resnet8.tflite --target ssh://pi@raspberrypi.local")
@click.argument("model", required=False, type=FILE)
@target_option
@click.option(
    "--to", "folder", metavar="FOLDER", help="On the device, from the home folder on.  [default: edgebnn/NAME of MODEL]"
)
@input_option
@click.option("--samples", "count", type=click.IntRange(1), default=3, show_default=True, help="Checked, at most.")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-5, show_default=True, help="Of a float output's range."
)
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True, help="Versions that stay on the device.")
@click.option(
    "--list", "as_list", is_flag=True, help="Copy nothing: list the versions there, of all models or of MODEL."
)
@click.option("--rollback", is_flag=True, help="Copy nothing: put the version before back in use.")
@schedule_option
@signature_option
def deploy(
    model: Path | None,
    target: str,
    folder: str | None,
    input_path: Path | None,
    count: int,
    tolerance: float,
    keep: int,
    as_list: bool,
    rollback: bool,
    schedule: Path | None,
    signature: str | None,
    as_json: bool,
) -> int:
    """Put MODEL and its runtime on a device, check its answer there, and put it in use; exit 1 if the check fails.

    Each time it is a version of its own in a folder on the device, which shares with the others what is the same.
    "current" there links to the one in use, and "python3 current/run.py picture.jpg" runs it by hand, or where there is
    no Python "current/network picture.ppm". Where the check fails, or anything else, the version before stays in use.
    """
    from edgebnn.reports import deployment_tables as tables
    from edgebnn.targets.inputs import read_arrays
    from edgebnn.targets.linux import deploying
    from edgebnn.targets.linux.versions import default_folder
    from edgebnn.targets.model_file import open_model

    if as_list and rollback:
        raise click.UsageError("give --list or --rollback")
    if as_list or rollback:
        if input_path or schedule or signature:
            what = "--list" if as_list else "--rollback"
            raise click.UsageError(f"{what} copies nothing: leave --input, --schedule and --signature out")
        place = folder or (None if model is None else default_folder(str(model)))
        if place is None and rollback:
            raise click.UsageError("--rollback: name the MODEL that was deployed, or its folder with --to")
        where = find_target(target)
        with status(f"asking {target}"):
            found = (
                deploying.deployed(where, place) if place is None or as_list else (deploying.roll_back(where, place),)
            )
        value = {"target": where.name, "folders": [one.json() for one in found]}
        show(as_json, value, *(map(tables.versions, found) if found else [f"nothing is deployed on {target}"]))
        return 0
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    file = open_model(model, signature, schedule)
    arrays = () if input_path is None else read_arrays(input_path, file)
    where = find_target(target)
    with status(f"deploying to {target}"):
        done = deploying.deploy(file, where, *arrays, folder=folder, count=count, tolerance=tolerance, keep=keep)
    show(as_json, asdict(done), *tables.deployment(done))
    return 0 if done.passed else 1
