#!/usr/bin/env python3
"""Runs the model beside this file on pictures or arrays.

Change it as you like: "edgebnn deploy" takes a changed run.py over into the next version. runtime/ has all that it
needs beside Python; its files are shared with other versions, so leave those as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(folder) for folder in sorted((HERE / "runtime").iterdir())]

from edgebnn.targets.linux.start import saying_alive

with saying_alive() if "--serve" in sys.argv else nullcontext():  # slow cards take long to import the rest
    from edgebnn.errors import EdgebnnError
    from edgebnn.runtime.model import Model, load
    from edgebnn.targets.inputs import read_arrays, write_arrays

SIGNATURE = None  # which graph of the file is meant, if it has several


def main() -> None:
    options = parse()
    if options.serve:
        from edgebnn.targets.linux.agent import serve_version

        serve_version(HERE / "model.tflite")
    model = load(HERE / "model.tflite", num_threads=options.threads, signature=SIGNATURE)
    if options.files[0].suffix in (".npy", ".npz"):
        compute(model, options.files[0], options.output, options.json)
    else:
        classify(model, options.files, options.top, options.json)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run the model on pictures, or on arrays.",
        epilog="Examples: python3 run.py cat.jpg dog.jpg; python3 run.py x.npy -o y.npy",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="pictures; or an .npy of inputs [N, ...], an .npz of several",
    )
    parser.add_argument("-o", "--output", type=Path, help="where to write outputs: an .npy, or an .npz of several")
    parser.add_argument("--top", type=int, default=5, help="classes told of each picture (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="of every op (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)  # edgebnn deploy checks this through it
    options = parser.parse_args()
    arrays = [file for file in options.files if file.suffix in (".npy", ".npz")]
    if not options.serve and (not options.files or (arrays and len(options.files) > 1)):
        parser.error("give pictures, or one .npy or .npz of inputs")
    return options


def classify(model: Model, pictures: list[Path], top: int, as_json: bool) -> None:
    """Labels with scores of each picture, best first."""
    found = [(str(picture), model.classify(picture, top)) for picture in pictures]
    if as_json:
        print(json.dumps({"images": [{"image": name, "classes": best} for name, best in found]}, default=vars))
        return
    for name, best in found:
        print(name)
        for one in best:
            print(f"  {one.score:.4f}  {one.label or one.index}")


def compute(model: Model, arrays: Path, output: Path | None, as_json: bool) -> None:
    """The outputs [N, ...] as real numbers: written to a file, or printed."""
    result = model(*read_arrays(arrays, model))
    outputs = result if isinstance(result, tuple) else (result,)
    if output is not None:
        write_arrays(output, model, outputs)
    if as_json:
        print(json.dumps({port.name: one.tolist() for port, one in zip(model.outputs, outputs, strict=True)}))
    elif output is None:
        for port, one in zip(model.outputs, outputs, strict=True):
            print(f"{port.name} {list(one.shape)}\n{one}")


if __name__ == "__main__":
    try:
        main()
    except (EdgebnnError, OSError) as error:
        sys.exit(f"run.py: {error}")
