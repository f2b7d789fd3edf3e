"""Reads ``pins.toml``, the one place that names versions."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.services.errors import ServiceError

PINS_FILE = Path(__file__).with_name("pins.toml")

Version = tuple[int, ...]


@dataclass(frozen=True)
class PackagePin:
    """A server that comes from the distribution's packages.

    Attributes:
        packages: Debian package names.
        minimum: Lowest version that will do.
    """

    packages: tuple[str, ...]
    minimum: Version


@dataclass(frozen=True)
class GoModulePin:
    """A server built from a Go module.

    Attributes:
        module: Import path of the command.
        version: Module version, with its leading ``v``.
    """

    module: str
    version: str


@dataclass(frozen=True)
class GoToolchainPin:
    """The Go toolchain that builds the modules.

    Attributes:
        minimum: Lowest version accepted from PATH.
        distribution: Name of the Python distribution that carries a toolchain.
        version: Its version.
        hashes: Accepted digests of its wheels, ``sha256:…``.
    """

    minimum: Version
    distribution: str
    version: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Pins:
    """Everything ``pins.toml`` says."""

    postgres: PackagePin
    redis: PackagePin
    temporal: GoModulePin
    go: GoToolchainPin


def parse_version(text: str) -> Version:
    """Turn ``"15"`` or ``"1.26.4"`` into a tuple of numbers that compares.

    Raises:
        ValueError: A part is not a number.
    """
    return tuple(int(part) for part in text.split("."))


def read_pins(path: Path = PINS_FILE) -> Pins:
    """Read and check the pins.

    Raises:
        ServiceError: The file can't be read, or an entry is missing or of the wrong form.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
        return Pins(
            postgres=_package(table["postgres"]),
            redis=_package(table["redis"]),
            temporal=GoModulePin(**_only(table["temporal"], "module", "version")),
            go=GoToolchainPin(
                minimum=parse_version(table["go"]["minimum"]),
                distribution=table["go"]["distribution"],
                version=table["go"]["version"],
                hashes=tuple(table["go"]["hashes"]),
            ),
        )
    except KeyError as error:
        raise ServiceError("pins", f"read {path}", f"entry {error} is missing") from error
    except (OSError, ValueError, TypeError) as error:
        raise ServiceError("pins", f"read {path}", str(error)) from error


def _package(table: Mapping[str, object]) -> PackagePin:
    packages, minimum = table["packages"], table["minimum"]
    if not isinstance(packages, list) or not isinstance(minimum, str):
        message = f"packages must be a list and minimum a string, not {packages!r} and {minimum!r}"
        raise TypeError(message)
    return PackagePin(tuple(str(package) for package in packages), parse_version(minimum))


def _only(table: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: table[name] for name in names}
