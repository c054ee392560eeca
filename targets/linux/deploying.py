"""Versions of a model on a device: each is made beside the others, checked there, and only then put in use.

What differs between two versions is copied, the rest shared by hard links. A shell on the device does what is asked
(``folder.sh``); which version stays and which goes is decided here.
"""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

from edgebnn.errors import InputError, one_line
from edgebnn.files import digest
from edgebnn.graph import metadata
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels import schedules
from edgebnn.runtime.followed import HERE
from edgebnn.targets import target as target_named
from edgebnn.targets.inputs import samples
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.targets.noise import Sample
from edgebnn.targets.validate import DEFAULT_TOLERANCE, Validation, validate

from . import versions
from .bundle import Archive
from .client import Agent, skip_to
from .device import Channel, ConnectionLostError, Device, DeviceError
from .folder import FolderSession, explained, look, session
from .standalone import SERVE, built, greet
from .start import UNPACKED
from .target import LinuxTarget, Result, Sent
from .versions import LABELS, MODEL, PROGRAM, SCHEDULE, SCRIPT, Folder, Manifest, default_folder

_SCRIPT = Path(__file__).parent / "by_hand.py"
_FRESH = f"{SCRIPT}.new"
KEPT_VERSIONS = 3
SAMPLES = 3


@dataclass(frozen=True)
class Deployment:
    """What became of a deployment; field names are the JSON's.

    Attributes:
        target, device: where it is.
        folder: there, absolute.
        version: the number of the one in use now; None where there is none.
        passed: the check passed, and the version in use is of the model.
        unchanged: that version was in use before, so nothing was copied.
        previous: the version to go back to; None where there is none.
        copied: what was sent.
        removed: versions that were deleted, being too many.
        left: what was left where it was, in words.
        start: the command that runs the model there by hand.
        schedule: the file of the schedule that it follows there, if any.
        validation: how it compares with the reference.
    """

    target: str
    device: str
    folder: str
    version: int | None
    passed: bool
    unchanged: bool
    previous: int | None
    model: str
    sha256: str
    copied: tuple[Sent, ...]
    removed: tuple[int, ...]
    left: tuple[str, ...]
    start: str
    schedule: str | None
    validation: Validation
    fingerprint: Mapping[str, str]
    versions: Mapping[str, str]
    date: str


def deploy(
    model: str | Path | Graph | ModelFile,
    target: str | Target,
    *images: Array,
    folder: str | None = None,
    count: int = SAMPLES,
    tolerance: float = DEFAULT_TOLERANCE,
    keep: int = KEPT_VERSIONS,
    schedule: str | Path | None = None,
) -> Deployment:
    """Put a model and its runtime on a device, in use there once it is checked.

    Args:
        model: a .tflite file, or a graph.
        target: a device that runs Linux, or its name.
        images: for each input an array [N, ...] to check with; noise if none are given.
        folder: on the device, relative to the home folder; by default ``edgebnn/NAME``.
        count: samples that are compared with the reference, at most.
        tolerance: of float outputs, as a share of their range.
        keep: versions that stay, beside the one in use and the one to go back to.
        schedule: of a file, what its kernels follow there; by default ``MODEL.schedule.json`` beside it, where that is
            for the device. It becomes part of the version.

    Returns:
        What became of it: where the check fails, the version in use stays what it was.

    Raises:
        InputError: the target is no such device, or ``images``, ``folder`` or ``schedule`` do not fit.
        EdgebnnError: the model cannot be read or run there, the folder there is not edgebnn's, or the device fails.
    """
    if schedule is not None and not isinstance(model, str | Path):
        raise InputError(f"{schedule}: a schedule belongs to a .tflite file; give the file's path with it")
    file = open_model(model, schedule=None if schedule is None else Path(schedule))
    place = versions.checked_folder(folder or default_folder(file.name))
    if place.rstrip("/") == versions.DEFAULT_FOLDER:
        raise InputError(f"{place}: models are deployed in it, each in a folder of its own; give edgebnn/NAME")
    where = _linux(target)
    file = where.with_schedule(file)
    parts = _Parts(where, file, tuple(samples(file, images, count)))
    before = len(where.sent)
    done = where.until_back(lambda: _deployed(parts, place, tolerance, keep))  # what has arrived is not sent again
    return replace(done, copied=tuple(where.sent[before:]))


def deployed(target: str | Target, folder: str | None = None) -> tuple[Folder, ...]:
    """What is deployed on a device.

    Args:
        target: the device, or its name.
        folder: one of a deployment, or one that holds such; by default all below ``edgebnn`` in the home folder.

    Returns:
        The versions in each.

    Raises:
        InputError: the target is no such device.
        EdgebnnError: there is no such folder, or the device fails.
    """
    where = _linux(target)
    found = look(where.where, versions.checked_folder(folder or versions.DEFAULT_FOLDER))
    if folder is not None and not found:
        raise InputError(f"{where.name}: nothing is deployed in {folder}")
    return found


def roll_back(target: str | Target, folder: str) -> Folder:
    """Put the version before the one in use back in use, once it is seen to start.

    Args:
        target: the device, or its name.
        folder: of the deployment, relative to the home folder; or a model's name, for the folder of that name in
            ``edgebnn``.

    Returns:
        The folder as it is then.

    Raises:
        InputError: the target is no such device, or there is no version before.
        EdgebnnError: that version does not run, the folder is not edgebnn's, or the device fails.
    """
    where = _linux(target)
    place = versions.checked_folder(folder)
    with session(where.where, "visit", place) as found:
        before, current = found.folder.before, found.folder.current
        if before is None or current is None:
            raise InputError(f"{found.folder.path}: has no older version to go back to")
        made = found.folder.versions[before]
        assert made is not None
        path = f"{found.folder.path}/versions/{before}"
        if PROGRAM in made.files and found.ask("digest", before, PROGRAM).split(" ")[0] != made.files[PROGRAM]:
            raise DeviceError(
                f"{where.name}: {path}/{PROGRAM} is not the file that was deployed; deploy its model again"
            )
        there = _InVersion(where, path, SCRIPT if SCRIPT in made.files else "")
        try:
            there.starts(made)
        finally:
            there.close()
        found.ask("point", before)
        found.ask("withdraw", current)
    return look(where.where, place)[0]


def _linux(target: str | Target) -> LinuxTarget:
    where = target_named(target) if isinstance(target, str) else target
    if not isinstance(where, LinuxTarget):
        remedy = (
            "edgebnn export writes C for it" if where.is_microcontroller else "name ssh://user@host or qemu-aarch64"
        )
        raise InputError(f"{where.name}: models are deployed to devices that run Linux; {remedy}")
    return where


@dataclass(frozen=True)
class _Parts:
    """What a version is made of. ``inputs``: those of its check."""

    target: LinuxTarget
    model: ModelFile
    inputs: tuple[Sample, ...]

    @cached_property
    def facts(self) -> metadata.Metadata | None:
        """What the model says of itself."""
        return metadata.parse(self.model.graph.metadata, self.model.graph.attachment, self.model.name)

    @property
    def labels(self) -> tuple[str, ...]:
        return () if self.facts is None else self.facts.labels

    @property
    def takes_pictures(self) -> bool:
        return self.facts is not None and self.facts.image is not None

    @cached_property
    def archives(self) -> tuple[Archive, ...]:
        """What runtime/ is unpacked from, behind the script that unpacks it; nothing where there is no Python."""
        if self.target.without_python:
            return ()
        device = self.target.where
        return (*device.needed(), *(device.pictures() if self.takes_pictures else ()))

    @cached_property
    def runtime(self) -> Mapping[str, str]:
        return {_name(archive): archive.name for archive in self.archives[1:]}

    @cached_property
    def files(self) -> Mapping[str, Archive]:
        """By their names in the version; those that are shared with others are linked."""
        found = {}
        if self.labels:
            found[LABELS] = Archive(LABELS, "".join(f"{label}\n" for label in self.labels).encode())
        if self.target.without_python:
            graph = self.model.graph_for(self.inputs[0])
            found[PROGRAM] = Archive(self.model.name, built(self.model, graph, self.target.where.facts.processor))
        else:
            text = _SCRIPT.read_text(encoding="utf-8")
            text = text.replace("SIGNATURE = None", f"SIGNATURE = {self.model.signature!r}")
            found[SCRIPT] = Archive(SCRIPT, text.encode())
            found[MODEL] = Archive(self.model.name, self.model.content)
            if self.model.given is not None:  # which is there for the machine that it lies on, however that is called
                text = schedules.to_text(replace(self.model.given.schedule, hardware=HERE))
                found[SCHEDULE] = Archive(self.model.given.path, text.encode())
        return found


_HOW = {MODEL: "link", PROGRAM: "run"}
"""How a file gets into a version; small ones are copied, so that each can be changed."""


def _name(archive: Archive) -> str:
    """Of its folder in runtime/."""
    if archive.what == "edgebnn":
        return f"edgebnn-{importlib.metadata.version('edgebnn')}"
    return "-".join(archive.what.split("-")[:2])


def _deployed(parts: _Parts, place: str, tolerance: float, keep: int) -> Deployment:
    where, device = parts.target, parts.target.where
    sha256 = digest(parts.model.content)
    files = {name: file.name for name, file in parts.files.items()}
    with session(device, "make", place) as folder:
        found = folder.folder
        script = "" if where.without_python else _FRESH if found.is_edited else SCRIPT
        in_use = found.in_use
        unchanged = in_use is not None and found.is_whole and in_use.is_made_of(sha256, files, parts.runtime)
        if unchanged:
            path = f"{found.path}/versions/{found.current}"
            if found.is_edited:
                _put(where, [parts.files[SCRIPT]])
                folder.ask("fresh", files[SCRIPT], found.current or 0)
        else:
            path = folder.making
            _make(folder, parts)
        there = _InVersion(where, path, script)
        try:
            validation = validate(there.open, where.name, parts.model, parts.inputs, tolerance)
            made = Manifest(
                model=one_line(Path(parts.model.name).name),
                sha256=sha256,
                files=files,
                runtime=parts.runtime,
                labels=tuple(map(one_line, parts.labels)),
                samples=validation.samples,
                bit_exact=validation.bit_exact,
                max_abs_diff=validation.max_abs_diff,
                tolerance=tolerance,
                fingerprint=there.fingerprint(),
                versions=there.versions(),
                date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            )
        finally:
            there.close()
        removed: list[int] = []
        left: list[str] = []
        if validation.passed and not unchanged:
            found = _kept(folder, where, made)
            left += (
                [f"{SCRIPT} is yours: it was taken over; the one of this version is {_FRESH}"]
                if script == _FRESH
                else []
            )
            for number in found.surplus(keep):
                said = _remove(folder, number, found.versions[number])
                removed += [] if said else [number]
                left += [said] if said else []
    return Deployment(
        target=where.name,
        device=where.device,
        folder=found.path,
        version=found.current,
        passed=validation.passed,
        unchanged=unchanged,
        previous=found.before,
        model=parts.model.name,
        sha256=sha256,
        copied=(),
        removed=tuple(removed),
        left=tuple(left),
        start=_start(device, found.path, script, parts.takes_pictures),
        schedule=parts.model.schedule_path,
        validation=validation,
        fingerprint=made.fingerprint,
        versions=made.versions,
        date=made.date,
    )


def _make(folder: FolderSession, parts: _Parts) -> None:
    """The version in the making, whole but for its manifest."""
    where, found = parts.target, folder.folder
    shared = {name: found.with_runtime(name, sha256) for name, sha256 in parts.runtime.items()}
    missing = [archive for archive in parts.archives[1:] if shared[_name(archive)] is None]
    if missing:
        _put(where, [parts.archives[0], *missing])
        _unpack(where, parts.archives[0], missing)
    _put(where, list(parts.files.values()))
    for name, sha256 in parts.runtime.items():
        version = shared[name]
        folder.ask(*(("tree", sha256) if version is None else ("share", version)), name)
    for name, file in parts.files.items():
        given = f"{name}.new" if name == SCRIPT and found.is_edited else name
        folder.ask(_HOW.get(name, "copy"), file.name, given)
    if found.is_edited:
        folder.ask("edited")


def _put(where: LinuxTarget, files: Sequence[Archive]) -> None:
    present = where.where.present([file.name for file in files])
    for file in files:
        if file.name not in present:
            where.where.put(file.name, file.data)
            where.sent.append(Sent(file.what, len(file.data)))


def _unpack(where: LinuxTarget, script: Archive, archives: Sequence[Archive]) -> None:
    """Has the store unpack them."""
    device = where.where
    words = [*map(shlex.quote, device.python()), "-I", f'"$d/files/{script.name}"', '"$d"', "--unpack"]
    channel = device.shell()
    try:
        with explained(device):
            channel.send((" ".join(["exec", *words, *(one.name for one in archives)]) + "\n").encode())
            skip_to(UNPACKED.encode(), channel)
    finally:
        channel.close()


def _kept(folder: FolderSession, where: LinuxTarget, made: Manifest) -> Folder:
    """The folder with the version that was made in use."""
    text = Archive("manifest.json", made.to_json().encode())
    where.where.put(text.name, text.data)
    number = versions.number_in(folder.ask("keep", text.name).replace("number ", "versions/"))
    if number is None:
        raise DeviceError(f"{where.name}: the device does not say which version it made")
    folder.ask("point", number)
    found = folder.folder
    script = "" if SCRIPT not in made.files else found.script if found.is_edited else made.files[SCRIPT]
    return replace(found, current=number, script=script, versions={**found.versions, number: made})


def _remove(folder: FolderSession, number: int, made: Manifest | None) -> str:
    """Deletes a version: empty, or why it was left."""
    said = folder.ask("remove", number, "unknown" if made is None else made.files.get(SCRIPT, "none"))
    return f"version {number} holds a file of yours: {said.removeprefix('left ')}" if said else ""


def _start(device: Device, path: str, script: str, takes_pictures: bool) -> str:
    words = [*device.python(), SCRIPT] if script else device.program(f"./{PROGRAM}")
    given = ("picture.jpg" if script else "picture.ppm") if takes_pictures else "x.npy"
    return f"cd {shlex.quote(f'{path}/current')} && {shlex.join([*words, given])}"


class _InVersion(LinuxTarget):
    """The device, with the model and the runtime of a version alone. Args: its folder, and the script to start."""

    def __init__(self, target: LinuxTarget, path: str, script: str) -> None:
        super().__init__(target.where)
        self._path = path
        self._script = script
        self._begun = False

    def starts(self, made: Manifest) -> None:
        """Raises EdgebnnError where the version does not start, or is not what it was."""
        if self._script:
            self.agent[0].ask(
                "open",
                file=made.sha256,
                name=made.model,
                signature=None,
                schedule=None,
                threads=1,
                exact=False,
                trace=False,
            )
        else:
            greet(self.launch(made.model, b""))

    def until_back(self, work: Callable[[], Result], mend: Callable[[], object] = lambda: None) -> Result:
        """What ``work`` gives, done once: whoever makes the version begins anew where the connection is lost."""
        return work()

    def put(self, what: str, data: bytes) -> str:
        name = digest(data)
        if self.ask(self.agent[1], "has", file=name)[0].get("has") is not True:
            raise DeviceError(f"{self.name}: {self._path}/{MODEL} is not the file that was deployed; delete the folder")
        return name

    def launch(self, model: str, program: bytes) -> Channel:
        channel = self._process([*self.where.program(f"./{PROGRAM}"), SERVE])
        self._programs.add(channel)
        return channel

    def close(self) -> None:
        """Ends what it started; the connection is another's."""
        self._end_processes()

    def _deployed(self) -> Agent:
        if self._begun:  # a version in the making went with the connection: all of it is to be done again
            raise ConnectionLostError(f"{self.name}: the connection is gone")
        self._begun = True
        return Agent(self._process([*self.where.python(), self._script, "--serve"]))

    def _process(self, words: Sequence[str]) -> Channel:
        channel = self.where.shell()
        channel.send(f"cd {shlex.quote(self._path)} && exec {shlex.join(words)}\n".encode())
        return channel
