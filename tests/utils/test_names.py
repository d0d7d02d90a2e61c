"""Names that entrants' scripts import: the arguments and defaults they have in the peer."""

from __future__ import annotations

import importlib
import inspect
from operator import attrgetter


def test_names_take_the_peers_arguments(peer):
    for name, parameters in peer["signatures"].items():
        module, _, attribute = name.partition(":")
        signature = inspect.signature(attrgetter(attribute)(importlib.import_module(module)))
        ours = {name: repr(value.default) for name, value in signature.parameters.items()}
        assert list(ours.items()) == list(parameters.items()), name
