"""Listeners, as the metadata describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clarity.utils.audiogram.thresholds import Audiogram, AudiogramTypeError
from clarity.utils.file_io import read_json


@dataclass
class Listener:
    """A person by the audiograms of both ears.

    Parameters
    ----------
    audiogram_left, audiogram_right : Audiogram
        The audiogram of each ear.
    id : str
        Name in the metadata, such as ``"L0066"``.

    Raises
    ------
    ValueError
        When something else than an audiogram is given, or assigned later (an
        `AudiogramTypeError`, which is a `TypeError` too).
    """

    audiogram_left: Audiogram
    audiogram_right: Audiogram
    id: str = ""

    def __setattr__(self, name: str, value: Any) -> None:
        """Check what is assigned."""
        if name.startswith("audiogram_") and not isinstance(value, Audiogram):
            raise AudiogramTypeError(f"{name} must be an Audiogram, got {value!r}")
        super().__setattr__(name, value)

    @staticmethod
    def from_dict(listener_dict: Mapping[str, Any]) -> Listener:
        """Make a listener of an entry of the metadata.

        Parameters
        ----------
        listener_dict : mapping
            Keys ``name``, ``audiogram_cfs`` (Hz), ``audiogram_levels_l`` and
            ``audiogram_levels_r`` (dB HL).

        Returns
        -------
        Listener
            The listener.

        Raises
        ------
        ValueError
            When a key is missing (a `MissingListenerKeyError`, which is a `KeyError` too) or
            its values make no audiogram; the message names the key.
        """
        if not isinstance(listener_dict, Mapping):
            raise ValueError(f"a listener must be a set of keys and values, got {listener_dict!r}")
        name, frequencies, *levels = (_value(listener_dict, key) for key in _LISTENER_KEYS)
        audiograms = []
        for key, ear_levels in zip(_LISTENER_KEYS[2:], levels, strict=True):
            try:
                audiograms.append(Audiogram(ear_levels, frequencies))
            except ValueError as error:
                raise ValueError(f"{key} with audiogram_cfs: {error}") from None
        return Listener(audiograms[0], audiograms[1], id=str(name))

    @staticmethod
    def load_listener_dict(filename: str | Path) -> dict[str, Listener]:
        """Read the listeners of a metadata file such as ``listeners.train.json``.

        Parameters
        ----------
        filename : str or Path
            JSON file of one object: {id: entry as for `from_dict`}.

        Returns
        -------
        dict of str to Listener
            Listeners by id, in the order of the file.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it is not JSON or an entry is no listener; the message names the file, the
            listener and the key.
        """
        entries = read_json(filename)
        if not isinstance(entries, dict):
            raise ValueError(f"{filename}: must be one object of listeners by id")
        listeners = {}
        for listener_id, entry in entries.items():
            try:
                listeners[listener_id] = Listener.from_dict(entry)
            except ValueError as error:
                raise ValueError(f"{filename}: listener {listener_id!r}: {error}") from None
        return listeners


class MissingListenerKeyError(ValueError, KeyError):
    """An entry of the metadata lacks a key that a listener needs."""

    __str__ = ValueError.__str__


_LISTENER_KEYS: Final = ("name", "audiogram_cfs", "audiogram_levels_l", "audiogram_levels_r")


def _value(entry: Mapping[str, Any], key: str) -> Any:
    if key not in entry:
        raise MissingListenerKeyError(f"key {key!r} is missing")
    return entry[key]
