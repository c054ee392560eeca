"""How to log in to a device, and what is put there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .device import SILENCE_SECONDS


@dataclass(frozen=True)
class Access:
    """How to log in, beside what ~/.ssh/config, the agent and the keys in ~/.ssh say.

    key: a private key's file, in place of them. accept_new_host: record the key of a host that is not in known_hosts;
    one that has changed is refused all the same. known_hosts: the file, by default OpenSSH's. config: that of ssh, in
    place of ~/.ssh/config. silence: seconds after which a device that says nothing is given up. wheels: a folder of the
    wheels that models need there, LiteRT's and NumPy's, in place of the network; of any device that runs Linux.
    """

    key: Path | None = None
    accept_new_host: bool = False
    known_hosts: Path | None = None
    config: Path | None = None
    silence: float = SILENCE_SECONDS
    wheels: Path | None = None
