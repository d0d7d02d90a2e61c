"""What each result was made from, so that a number is never taken for one of something else.

A result is a song at the microphones, an enhanced signal, a row of scores. Its record says: this
output was made from these dependencies, all of them by digest. It is written before the result
appears under its name, so that a run which is killed leaves no result without one; a record whose
result never appeared does no harm. Nothing depends on the order or the time of records: a result
is up to date if any record has both its output and what it would be made from now.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.data.content import Contents, digest_of_file
from recipes.cad_icassp_2024.data.journal import Journal

Dependencies = Mapping[str, str]
"""Digest, or a short value, of everything that a result depends on, by its name in plural or
singular, as it fits into "made from music that has since changed"."""


@dataclass(frozen=True)
class Result:
    """A result that is there.

    Attributes
    ----------
    name : str
        Which one: the id of a pair, the name of a song.
    output : str
        Digest of what is there.
    made_from : mapping of str to str
        What it would be made from now.
    """

    name: str
    output: str
    made_from: Dependencies


@dataclass(frozen=True)
class Comparison:
    """Results that are there, compared with their records.

    Attributes
    ----------
    current : tuple of str
        Names of the results that would be made from the same now.
    changed : dict of str to tuple of str
        Names of the results that were made from something else, and which dependencies differ.
    unknown : tuple of str
        Names of the results that no record has: they were not made here, or changed since.
    """

    current: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]

    def changes(self, what: str) -> list[str]:
        """Say how many results were made from what has since changed.

        Parameters
        ----------
        what : str
            The results, in plural.

        Returns
        -------
        list of str
            "37 of 800 signals were made from music that has since changed", one line for each set
            of dependencies, the most frequent first.
        """
        n_all = len(self.current) + len(self.changed) + len(self.unknown)
        return [
            f"{number} of {n_all} {what} were made from {_listed(names)} since changed"
            for names, number in Counter(self.changed.values()).most_common()
        ]


def _listed(names: tuple[str, ...]) -> str:
    """Join names, and the verb that goes with them: "gains and music that have"."""
    text = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{text} that {'have' if len(names) > 1 or text.endswith('s') else 'has'}"


class Records:
    """The records of the results in a folder.

    Parameters
    ----------
    folder : Path
        Where the records are; several processes may add to them.
    others : Path
        Folders of records of what these results are made from: they know digests of files, too.
    verify : bool
        Read every file again, whatever its size and time of modification say.

    Attributes
    ----------
    contents : Contents
        Digests of files, remembered in the same folder.
    """

    def __init__(self, folder: Path, *others: Path, verify: bool = False) -> None:
        self.contents = Contents(folder, *others, verify=verify)
        self._journal = Journal(folder, "made")
        self._known: dict[tuple[str, str], list[Dependencies]] = {}
        for line in self._journal.lines():
            match line:
                case {"result": str(name), "output": str(output), "from": dict(made_from)}:
                    self._known.setdefault((name, output), []).append(made_from)

    def __enter__(self) -> Records:
        """Return the object."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remember the digests of what has been written, and close this process's files."""
        self.contents.close()
        self._journal.close()

    def add(self, *results: Result) -> None:
        """Write the records of results that are about to appear; they are on the disk on return."""
        lines = ({"result": x.name, "output": x.output, "from": dict(x.made_from)} for x in results)
        self._journal.append(*lines, durable=True)
        for result in results:
            self._known.setdefault((result.name, result.output), []).append(result.made_from)

    @contextlib.contextmanager
    def writing(self, path: Path, name: str, made_from: Dependencies) -> Iterator[Path]:
        """Write a file that is a result: whole, and with its record, or not at all.

        Parameters
        ----------
        path : Path
            The file.
        name, made_from
            As of a `Result`.

        Yields
        ------
        Path
            Name to write to, see `clarity.utils.atomic_files.atomic_path`.
        """
        with atomic_path(path) as temporary:
            yield temporary
            output = digest_of_file(temporary)
            self.add(Result(name, output, made_from))
        self.contents.note_written(path, output)

    def compare(self, results: Iterable[Result], *, partly: bool = False) -> Comparison:
        """Compare results that are there with their records.

        Parameters
        ----------
        results : iterable of Result
            Their names, what is there, and what they would be made from now.
        partly : bool
            Whether `results` name only some of what they depend on; the rest is not compared.
        """
        current, changed, unknown = [], {}, []
        for result in results:
            known = self._known.get((result.name, result.output))
            if known is None:
                unknown.append(result.name)
                continue
            now = result.made_from
            nearest = min((_differences(then, now, partly=partly) for then in known), key=len)
            if nearest:
                changed[result.name] = nearest
            else:
                current.append(result.name)
        return Comparison(tuple(current), changed, tuple(unknown))

    def names(self) -> set[str]:
        """Return the names of all results that have a record."""
        return {name for name, _ in self._known}

    def made_from(self, name: str, output: str) -> list[Dependencies]:
        """Return all that this output of a result is on record as made from."""
        return self._known.get((name, output), [])

    def mixtures(
        self,
        outputs: Mapping[str, str],
        shared: Iterable[str],
        what: str,
        groups: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Say which dependencies differ among results that must have them in common.

        Parameters
        ----------
        outputs : mapping of str to str
            Digest of what is there for each result, by name; results without a record are passed
            over.
        shared : iterable of str
            Names of the dependencies.
        what : str
            The results, in plural.
        groups : mapping of str to str, optional
            The group of each result, by name, within which the dependencies are shared: music
            within a song, for example. Without it all results are one group.

        Returns
        -------
        list of str
            "37 of 800 scores were made from another separator than the others".
        """
        members: dict[str, list[list[Dependencies]]] = {}
        for key in outputs.items():
            if key in self._known:
                members.setdefault((groups or {}).get(key[0], ""), []).append(self._known[key])
        n_known = sum(map(len, members.values()))
        lines = []
        for name in shared:
            number = sum(_n_apart(name, known) for known in members.values())
            if number:
                other = "other" if name.endswith("s") or name == "music" else "another"
                lines.append(
                    f"{number} of {n_known} {what} were made from {other} {name} than the others"
                )
        return lines


def _n_apart(name: str, known: Sequence[Sequence[Dependencies]]) -> int:
    """Count the results that do not share what most results have of a dependency."""
    choices = [{made_from.get(name) for made_from in records} for records in known]
    counts = Counter(value for choice in choices for value in choice)
    return len(known) - max(counts.values())


def _differences(then: Dependencies, now: Dependencies, *, partly: bool) -> tuple[str, ...]:
    names = now if partly else {**then, **now}
    return tuple(name for name in names if then.get(name) != now.get(name))
