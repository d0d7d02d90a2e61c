"""A large file over a network that fails now and then: through pooch, which alone cannot resume."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from recipes.cad_icassp_2024.data.errors import RecipeError

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

N_ATTEMPTS: Final = 5
"""In a row without a byte; an attempt that brought something is not counted."""
PAUSE_S: Final = 2.0
TIMEOUT_S: Final = 60
CHUNK_BYTES: Final = 1 << 20


def get_json(url: str) -> Any:
    """Return what an address answers in JSON; RecipeError when there is no answer or no JSON."""
    import requests  # noqa: PLC0415 - comes with pooch, an optional package

    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()
    except requests.RequestException as error:
        raise RecipeError(
            f"no answer from {url} ({_reason(error)}): is there a network?"
        ) from error


def part_of(path: Path) -> Path:
    """Return where a file is until it is whole."""
    return path.with_name(f"{path.name}.part")


def fetch(url: str, path: Path, n_bytes: int, checksum: str) -> None:
    """Fetch a file and check it against ``md5:...``; one that is there and right is kept.

    Raises `RecipeError` when the server fails again and again, the disk is full, or the checksum
    is wrong.
    """
    import pooch  # noqa: PLC0415 - optional

    part = part_of(path)
    if _size(part) > n_bytes:
        part.unlink()

    def resume(url: str, output_file: str, _: object) -> None:
        _resume(url, part, n_bytes)
        part.replace(output_file)

    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(url, checksum, path.name, path.parent, downloader=resume)
    except ValueError as error:
        raise RecipeError(
            f"{url}: what came has another checksum than the record says ({checksum}), and was "
            "removed; give the same command again"
        ) from error
    except OSError as error:
        raise RecipeError(
            f"cannot write {path}: {error.strerror}; then give the same command again, what has "
            "been fetched is kept"
        ) from error


def _resume(url: str, part: Path, n_bytes: int) -> None:
    """Fetch what is missing of a file, in as many attempts as bring something, and a few more."""
    n_failures = 0
    with tqdm(
        total=n_bytes, unit="B", unit_scale=True, desc=part.stem, disable=None, smoothing=0.1
    ) as bar:
        while (there := _size(part)) < n_bytes:
            reason = _append(url, part, there, bar)
            if _size(part) == n_bytes:
                break
            n_failures = 1 if _size(part) > there else n_failures + 1
            if n_failures == N_ATTEMPTS:
                raise RecipeError(
                    f"{url} failed {N_ATTEMPTS} times ({reason}): is there a network? "
                    "The same command goes on from here"
                )
            log.warning("%s: %s, going on", part.stem, reason)
            time.sleep(PAUSE_S * (n_failures - 1))


def _append(url: str, part: Path, there: int, bar: tqdm[Any]) -> str:
    """Ask for a file from a certain byte on and append what comes; return why it ended."""
    import requests  # noqa: PLC0415

    headers = {"Accept-Encoding": "identity"}  # the file's bytes as they are
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            goes_on = answer.status_code == requests.codes.partial_content
            with part.open("ab" if goes_on else "wb") as file:
                bar.n = there if goes_on else 0
                bar.refresh()
                for chunk in answer.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        return _reason(error)
    return "the connection was cut"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: requests.RequestException) -> str:
    """Say in a few words what went wrong."""
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return type(error).__name__
