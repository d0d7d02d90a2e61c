"""Stems kept on disk, so that a mixture is separated once and for all.

Layout of a cache folder::

    {cache_dir}/{entry}/{stem}.wav    float32 WAV, bit for bit what the separator gave
    {cache_dir}/{entry}/entry.json    the files' SHA-256, and what the entry is of

where `entry` is the SHA-256 of the mixture's samples, its sample rate and the separator's key. An
entry appears whole or not at all; several processes may share a folder. Deleting an entry, or all
of them, only costs the time to separate again. A folder ``.*.tmp`` is being written, or is what a
killed process left; it is removed when the entry is written again an hour later or more.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from pathlib import Path

from clarity.separation.base import Mixture, Separator, Stems
from clarity.separation.weights import file_sha256
from clarity.utils.atomic_files import atomic_folder, leftovers
from clarity.utils.file_io import open_audio, read_json, write_json, write_signal

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_WRITTEN_WITHIN_S = 3600.0


class CachedSeparator:
    """Ask a separator only for mixtures that it has not separated before.

    Parameters
    ----------
    separator : Separator
        Gives the stems that are not in the cache. It gets the mixture's signal and rate alone, for
        these make up the name of an entry; so an oracle cannot be cached.
    cache_dir : Path
        Where the stems are kept; made when it is not there.
    key : str
        Identifies the separator and its settings: the same key must mean the same stems. See
        `clarity.separation.fingerprint`.
    """

    def __init__(self, separator: Separator, cache_dir: Path | str, key: str) -> None:
        self.sources = separator.sources
        self.separator = separator
        self.cache_dir = Path(cache_dir)
        self.key = key

    def separate(self, mixture: Mixture) -> Stems:
        """Take the stems of a mixture from the cache, or make them and keep them.

        Parameters
        ----------
        mixture : Mixture
            The piece to split.

        Returns
        -------
        dict of str to ndarray
            What the separator gives for it. A damaged entry is separated again, with a warning.
        """
        entry = self.cache_dir / self._entry_name(mixture)
        if entry.exists():
            try:
                return self._read(entry)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("The cached stems in %s are damaged (%s); made anew", entry, error)
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
        stems = self.separator.separate(Mixture(mixture.signal, mixture.sample_rate))
        self._write(entry, stems, mixture.sample_rate)
        return stems

    def _entry_name(self, mixture: Mixture) -> str:
        """Hash the samples (as float64), the shape, the rate and the separator's key."""
        text = f"{self.key}\n{self.sources}\n{mixture.signal.shape}\n{mixture.sample_rate}\n"
        digest = hashlib.sha256(text.encode())
        for start in range(0, len(mixture.signal), _BLOCK):
            block = mixture.signal[start : start + _BLOCK]
            digest.update(block.astype("<f8", order="C").data)
        return digest.hexdigest()

    def _read(self, entry: Path) -> Stems:
        """Read an entry; ValueError where a file is not what was written."""
        checksums = read_json(entry / "entry.json")["sha256"]
        stems = {}
        for name in self.sources:
            path = entry / f"{name}.wav"
            if file_sha256(path) != checksums[name]:
                raise ValueError(f"{path.name} has another SHA-256 than when it was written")
            with open_audio(path) as file:
                stems[name] = file.read(dtype="float32", always_2d=True)
        return stems

    def _write(self, entry: Path, stems: Stems, sample_rate: int) -> None:
        """Write an entry beside its place and move it there."""
        for leftover in leftovers(entry.parent, entry.name):
            if time.time() - leftover.stat().st_mtime > _WRITTEN_WITHIN_S:
                shutil.rmtree(leftover, ignore_errors=True)
        with atomic_folder(entry) as partial:
            for name, stem in stems.items():
                write_signal(partial / f"{name}.wav", stem, sample_rate)
            description = {
                "key": self.key,
                "sample_rate": sample_rate,
                "sha256": {name: file_sha256(partial / f"{name}.wav") for name in stems},
            }
            write_json(partial / "entry.json", description)
