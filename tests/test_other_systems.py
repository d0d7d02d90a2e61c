"""Scripts where the system has no fcntl, no resource, no affinity and no priorities of threads.

Windows has none of these, macOS lacks the affinity. A process in which they are gone stands in for
both; it also refuses to synchronise a file that is open for reading only, as Windows does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "cad_icassp_2024"

# Read by Python before anything else. Only this project's modules must do without: that the
# libraries do is their affair, and the parts of Python's own library for Linux need them.
SITECUSTOMIZE = f"""
import builtins, os, sys

ROOT = {str(ROOT)!r}
WITHOUT = {{"fcntl", "resource", "pwd", "grp", "termios"}}
plain_import, plain_fsync, readable = builtins.__import__, os.fsync, os.O_RDONLY

import fcntl


def asked_by_the_project(depth=2):
    return sys._getframe(depth).f_code.co_filename.startswith(ROOT + os.sep)


def without(name, *arguments, **options):
    if name.partition(".")[0] in WITHOUT and asked_by_the_project():
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return plain_import(name, *arguments, **options)


def fsync(descriptor):
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == readable:
        raise OSError(9, "Bad file descriptor")
    return plain_fsync(descriptor)


builtins.__import__ = without
os.fsync = fsync
for name in ("sched_getaffinity", "setpriority", "getpriority", "PRIO_PROCESS", "geteuid", "fork"):
    delattr(os, name)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process on another system."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def run(environment: dict[str, str], cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    return make_tiny_dataset(tmp_path_factory.mktemp("data"), seconds=1.0, at_mic=False)


def test_the_stand_in_lacks_what_it_should(elsewhere, tmp_path):
    module = tmp_path / "module.py"
    module.write_text("import fcntl")
    run(elsewhere, tmp_path, str(module))  # not of the project
    code = f"exec(compile('import resource', {str(ROOT / 'x.py')!r}, 'exec'))"
    with pytest.raises(AssertionError, match="No module named 'resource'"):
        run(elsewhere, tmp_path, "-c", code)
    code = f"import os; os.fsync(os.open({str(module)!r}, os.O_RDONLY))"
    with pytest.raises(AssertionError, match="Bad file descriptor"):
        run(elsewhere, tmp_path, "-c", code)


def test_every_module_is_imported(elsewhere, tmp_path):
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("clarity", "recipes")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    assert "recipes.cad_icassp_2024.baseline.enhance" in names
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    run(elsewhere, tmp_path, "-c", code, *names)


@pytest.mark.slow
def test_every_script_runs(elsewhere, data, tmp_path):
    root, few = f"path.root={data.root}", "scene.number_scenes_per_song=2"
    hpss, half = "separator=hpss", "evaluate.batch_size=2"
    for name, *arguments in (
        ("generate_dataset/generate_train_scenes", root, "overwrite=true", few),
        ("generate_dataset/generate_at_mic_musdb18", root, "n_workers=2", "overwrite=true"),
        ("baseline/enhance", root, hpss, half),
        ("baseline/evaluate", root, hpss, half),
        ("baseline/merge_batches_results", root, hpss, half, "allow_missing=true"),
        ("baseline/report", root, hpss),
        ("generate_dataset/make_demo_data", "--root", "demo"),
        ("generate_dataset/download", "--help"),
    ):
        run(elsewhere, tmp_path, str(RECIPE / f"{name}.py"), *arguments)
    assert (tmp_path / "exp" / "hpss" / "report.html").exists()
    assert (tmp_path / "demo" / "ATTRIBUTION.txt").exists()
