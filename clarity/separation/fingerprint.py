"""What identifies the stems that a separator would give: its code, settings, weights and files."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clarity.separation.weights import file_sha256


def fingerprint(separator: object, arguments: Mapping[str, Any] | None = None) -> str:
    """Identify a separator or a model.

    Equal fingerprints mean equal stems. The digest covers what was asked for, `arguments`, and what
    came of it: what the object's own method `fingerprint()` returns or, without one,

    - its class and the source of that,
    - its plain attributes and those of its submodules (numbers, strings and lists of them, which
      are the constructor's arguments as a rule), its arrays and its modules,
    - all tensors of a module's state dict.

    Functions that the class calls from elsewhere are not covered, nor what an object hides in
    other objects (a session of ONNX, say); the file that it came from is, when an argument names
    it.

    Parameters
    ----------
    separator : object
        A torch module, or an object with a method `separate`.
    arguments : mapping, optional
        What it was made with. A text that is the path of a file counts by the file's content, and
        one under ``checkpoint`` that is the path of a folder by the content of all its files.

    Returns
    -------
    str
        SHA-256 in 64 hexadecimal digits.

    Raises
    ------
    ValueError
        When the object's own method `fingerprint()` returns no text.
    """
    digest = hashlib.sha256()
    for name, value in sorted((arguments or {}).items()):
        digest.update(f"{name}={json.dumps(_content(name, value), sort_keys=True)}\n".encode())
    own = getattr(separator, "fingerprint", None)
    parts = [_text(separator, own())] if callable(own) else _parts(separator)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _text(separator: object, own: object) -> bytes:
    """Encode what a separator's own `fingerprint()` has returned; None would be equal for all."""
    if not isinstance(own, str) or not own:
        name = type(separator).__name__
        raise ValueError(f"fingerprint() of {name} returned {own!r}, but must return a text")
    return own.encode()


def _content(name: str, value: Any) -> Any:
    """Replace paths in an argument by digests of what is there."""
    if isinstance(value, Mapping):
        return {str(key): _content(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_content(name, item) for item in value]
    if not isinstance(value, str | Path):
        return value if _is_plain(value) else repr(value)
    path = Path(value).expanduser()
    with contextlib.suppress(OSError, ValueError):  # a text can be too long for a path
        if path.is_file():
            return file_sha256(path)
        if name == "checkpoint" and path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return {file.relative_to(path).as_posix(): file_sha256(file) for file in files}
    return str(value)


def _parts(separator: object) -> Iterator[bytes | memoryview]:
    """Yield all that makes an object what it is."""
    with contextlib.suppress(OSError, TypeError):  # a class typed into a console has no source
        yield inspect.getsource(type(separator)).encode()
    if isinstance(separator, torch.nn.Module):
        for name, child in separator.named_modules():
            yield _described(name, child)
        arrays = separator.state_dict()
    else:
        yield _described("", separator)
        arrays = getattr(separator, "__dict__", {})
    for name, value in sorted(arrays.items()):
        if isinstance(value, torch.Tensor):
            yield f"{name}:{value.dtype}:{tuple(value.shape)}".encode()
            yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            yield f"{name}:{value.dtype}:{value.shape}".encode()
            yield value.tobytes()
        elif isinstance(value, torch.nn.Module):
            yield f"{name}:{fingerprint(value)}".encode()


def _described(name: str, part: object) -> bytes:
    """Class and plain attributes of a module or an object."""
    settings = {
        key: value
        for key, value in sorted(getattr(part, "__dict__", {}).items())
        if key != "training" and not key.startswith("_") and _is_plain(value)
    }
    return f"{name}:{type(part).__module__}.{type(part).__qualname__}:{settings}".encode()


def _is_plain(value: object) -> bool:
    """Tell whether a value's text says all about it."""
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
