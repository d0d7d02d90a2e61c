"""Pretrained weights: where they are, how they are fetched, checked and loaded."""

from __future__ import annotations

import hashlib
import http.client
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from clarity.utils.atomic_files import atomic_path


class WeightsError(RuntimeError):
    """Weights are missing and cannot be fetched, are damaged, or belong to another model."""


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Parameters
    ----------
    folder : str
        Its folder, below that of torch.hub (``$TORCH_HOME/hub``).
    name : str
        Its file name.
    url : str
        Where it is published.
    size_mb : float
        Its size in units of 10^6 bytes, roughly.
    sha256_prefix : str
        The first digits of its SHA-256, as far as the publisher gives them.
    """

    folder: str
    name: str
    url: str
    size_mb: float
    sha256_prefix: str = ""

    @property
    def path(self) -> Path:
        """Where torch.hub keeps the file."""
        return Path(torch.hub.get_dir()) / self.folder / self.name


def _umxhq_file(name: str) -> WeightsFile:
    """Describe a file of Open-Unmix umxhq (Zenodo record 3370489), named `{stem}-{SHA-256}.pth`."""
    return WeightsFile(
        folder="checkpoints",
        name=name,
        url=f"https://zenodo.org/records/3370489/files/{name}",
        size_mb=35.6,
        sha256_prefix=Path(name).stem.rsplit("-", 1)[1],
    )


HDEMUCS_FILE = WeightsFile(
    folder="torchaudio/models",
    name="hdemucs_high_musdbhq_only.pt",
    url="https://download.pytorch.org/torchaudio/models/hdemucs_high_musdbhq_only.pt",
    size_mb=335,
)
"""Torchaudio's bundle HDEMUCS_HIGH_MUSDB: Hybrid Demucs trained on MUSDB18-HQ's training part."""

UMXHQ_FILES = {
    "vocals": _umxhq_file("vocals-b62c91ce.pth"),
    "drums": _umxhq_file("drums-9619578f.pth"),
    "bass": _umxhq_file("bass-8d85a5bd.pth"),
    "other": _umxhq_file("other-b52fbbf7.pth"),
}
"""Open-Unmix umxhq: one file for each stem."""

PRETRAINED = {"demucs": (HDEMUCS_FILE,), "openunmix": tuple(UMXHQ_FILES.values())}
"""The files that each pretrained separator needs."""


def find_or_download(file: WeightsFile) -> Path:
    """Find a file of weights where torch.hub keeps it, or download it to there.

    Parameters
    ----------
    file : WeightsFile
        The file.

    Returns
    -------
    Path
        The file on disk, its SHA-256 checked where one is published.

    Raises
    ------
    WeightsError
        If the file has the wrong SHA-256, or is missing and cannot be downloaded. The message names
        the file, its address, its size and its folder.
    """
    if file.path.is_file():
        _check_sha256(file.path, file.sha256_prefix)
        return file.path
    try:
        with atomic_path(file.path) as partial:
            torch.hub.download_url_to_file(file.url, str(partial), progress=sys.stderr.isatty())
            _check_sha256(partial, file.sha256_prefix)
            load_state(partial)  # a connection that breaks off leaves a short file without an error
    except (OSError, http.client.HTTPException, WeightsError) as error:
        raise WeightsError(
            f"the weights {file.name} are missing and could not be downloaded ({error}); fetch "
            f"{file.url} ({file.size_mb:g} MB) and put it into {file.path.parent}, or run "
            "`python -m clarity.separation download demucs openunmix` where there is a network"
        ) from error
    return file.path


def _check_sha256(path: Path, prefix: str) -> None:
    """Raise WeightsError unless the SHA-256 of a file starts with the given digits."""
    if not prefix:
        return
    digest = file_sha256(path)
    if not digest.startswith(prefix):
        raise WeightsError(
            f"{path} is damaged: its SHA-256 starts with {digest[: len(prefix)]}, not with "
            f"{prefix}; delete it, and it will be downloaded again"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a checkpoint's tensors; no code in it is ever run (`weights_only`).

    Parameters
    ----------
    path : Path
        A file that ``torch.save(module.state_dict(), path)`` has written.

    Returns
    -------
    dict of str to Tensor
        The state dict, on the CPU.

    Raises
    ------
    WeightsError
        If the file is not there, is no checkpoint or is damaged, or holds more than tensors.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise WeightsError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    with stream:
        try:
            state = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises anything, IndexError and KeyError too
            raise WeightsError(
                f"{path} is not a checkpoint of tensors or is damaged ({type(error).__name__}); "
                "write one with torch.save(module.state_dict(), path), or delete the file to have "
                "it downloaded again"
            ) from error
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise WeightsError(f"{path} holds something other than a state dict of tensors")
    return state


def load_weights(module: torch.nn.Module, path: Path, *, allow_extra: bool = False) -> None:
    """Load a checkpoint into a module.

    Parameters
    ----------
    module : torch.nn.Module
        The module; it takes over the tensors.
    path : Path
        The checkpoint.
    allow_extra : bool
        Whether the checkpoint may hold tensors that the module has no use for.

    Raises
    ------
    WeightsError
        If the checkpoint cannot be read, or its tensors are not those of the module.
    """
    state = load_state(path)
    try:
        missing, extra = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit {type(module).__name__}: {_first_lines(str(error))}"
        ) from error
    if missing or (extra and not allow_extra):
        what = f"lacks {_some(missing)}" if missing else f"has, beyond the model, {_some(extra)}"
        raise WeightsError(f"{path} does not fit {type(module).__name__}: it {what}")


def _some(names: list[str]) -> str:
    """Name the first three of a list and count the rest."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def _first_lines(message: str) -> str:
    """Shorten torch's list of mismatched tensors to its first entry."""
    lines = [line.strip() for line in message.splitlines()[1:]]
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")
