"""Ctrl-C and SIGTERM while a program is still importing: one line, and the usual exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "cad_icassp_2024"
PATIENCE_S = 120

# In the place of a library that takes long to import.
SLOW_LIBRARY = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(600)
"""
PROGRAMS = {
    "script": [str(RECIPE / "baseline" / "enhance.py")],
    "module": ["-m", "recipes.cad_icassp_2024.generate_dataset.make_demo_data"],
    "cadenza-report": ["-c", "from recipes.cad_icassp_2024.commands import report; report()"],
    "haaqi module": ["-m", "clarity.evaluator.haaqi"],
    "weights module": ["-m", "clarity.separation", "list"],
    "haaqi": ["-c", "from clarity.commands import haaqi; haaqi()"],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_program_that_is_stopped_while_it_imports(program, number, code, tmp_path):
    for library in ("soundfile", "torch"):
        (tmp_path / "slow" / library).mkdir(parents=True)
        (tmp_path / "slow" / library / "__init__.py").write_text(SLOW_LIBRARY)
    with subprocess.Popen(
        [sys.executable, *PROGRAMS[program]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "slow"), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not (tmp_path / "importing").exists():
                assert running.poll() is None, running.communicate()[0]
                assert time.monotonic() < deadline, "waited in vain"
                time.sleep(0.01)
            running.send_signal(number)
            assert running.communicate(timeout=PATIENCE_S)[0] == "\nStopped.\n"
        finally:
            running.kill()
    assert running.returncode == code
