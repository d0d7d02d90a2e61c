"""What the tests of the baseline share: scripts run as a user would, configurations composed."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.overrides import translate_overrides

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "recipes" / "cad_icassp_2024" / "baseline"

# A separator from outside the project: shares of the mixture, as in the reference data.
PLUGIN_MODULE = """
import torch


class FixedShares(torch.nn.Module):
    def __init__(self, shares):
        super().__init__()
        self.register_buffer("shares", torch.tensor(list(shares), dtype=torch.float32))

    def forward(self, mixture):
        return self.shares[None, :, None, None] * mixture[:, None]
"""
PLUGIN_CONFIG = """
model: my_shares
module:
  _target_: outside_shares.FixedShares
  shares: [0.35, 0.15, 0.30, 0.20]
sources: [drums, bass, other, vocals]
normalise: true
"""


def write_plugin(folder: Path) -> Path:
    """Write a separator and its configuration, as a user would beside the project."""
    (folder / "separator").mkdir(parents=True)
    (folder / "outside_shares.py").write_text(PLUGIN_MODULE)
    (folder / "separator" / "my_shares.yaml").write_text(PLUGIN_CONFIG)
    return folder


def make_config(plugin: Path, root: Path, *overrides: str) -> Config:
    """Compose the real configuration with the separator from outside."""
    chosen = any(override.startswith("separator=") for override in overrides)
    arguments = translate_overrides(
        [
            *([] if chosen else ["separator=my_shares"]),
            f"path.root={root}",
            f"hydra.searchpath=[file://{plugin}]",
            *overrides,
        ]
    )
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return as_config(compose("config", arguments))


def run_script(
    script: str, *arguments: str, cwd: Path, plugin: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the baseline in a process of its own."""
    paths = [str(plugin)] if plugin else []
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def call_script(
    script: str, *arguments: str, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> subprocess.CompletedProcess[str]:
    """Run a script of the baseline in this process, which has torch and all else in memory.

    Only what the process itself does is missing: its imports, its signals, its last flush.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    capsys.readouterr()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", [str(SCRIPTS / script), *arguments])
            module = script.removesuffix(".py")
            importlib.import_module(f"recipes.cad_icassp_2024.baseline.{module}").main()
        code = 0
    except SystemExit as end:  # as the interpreter treats it
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    finally:
        root.handlers[:], root.level = handlers, level
    return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())
