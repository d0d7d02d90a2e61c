"""Names that entrants' scripts import: the arguments and defaults they have in the peer."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from operator import attrgetter


def test_the_packages_have_faces():
    for package in ("clarity.utils", "clarity.separation", "clarity.enhancer"):
        face = importlib.import_module(package)
        for name in face.__all__:
            assert getattr(face, name) is not None, name


def test_a_face_imports_only_what_is_used():
    code = (
        "import sys; import clarity.utils.stopping, clarity.separation.base; "
        "print({'torch', 'scipy', 'soundfile'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_names_take_the_peers_arguments(peer):
    for name, parameters in peer["signatures"].items():
        module, _, attribute = name.partition(":")
        signature = inspect.signature(attrgetter(attribute)(importlib.import_module(module)))
        ours = {
            name: repr(value.default)
            for name, value in signature.parameters.items()
            if value.kind is not value.VAR_KEYWORD
        }
        assert list(ours.items()) == list(parameters.items()), name
