"""README stays true: its table of keys, and its commands, run one after the other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from recipes.cad_icassp_2024.config_table import README, with_tables
from tests.recipes.tiny_dataset import make_stems, make_tiny_dataset, read, write

ROOT = README.parent
TEXT = README.read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"^ *```bash\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.strip()
]
# Downloading is tested without the network, in tests/separation and tests/recipes/generate_dataset.
# Fine-tuning Hybrid Demucs takes a GPU; it is tested with a small network, in test_finetune.py.
NOT_RUN = {
    "python finetune.py path.root=cadenza_data separator=demucs training.valid_split=valid "
    "training.learning_rate=3e-5",
    "python enhance.py path.root=cadenza_data path.split=valid "
    "separator.checkpoint=exp/finetune_demucs/best.pt",
    "python -m clarity.separation download demucs openunmix",
    "cadenza-download --list",
    "cadenza-download --root /data/cadenza_data core validation",
}
MY_MODEL = """
import torch


class MyModel(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, mixture):
        return torch.stack([mixture / 4] * 4, dim=1)
"""


def test_the_tables_of_keys_are_the_schemas():
    assert with_tables(TEXT) == TEXT, "run python -m recipes.cad_icassp_2024.config_table"
    assert "| `separator.segment` | `10.0` |" in TEXT
    assert "| `scene.number_scenes_per_song` | `4` |" in TEXT


def test_the_two_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"\nmake {target} " in TEXT
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)


def test_every_script_of_the_recipe_is_in_the_readme():
    folder = ROOT / "recipes" / "cad_icassp_2024"
    scripts = [p for p in folder.rglob("*.py") if "@hydra.main" in p.read_text()]
    named = {p.name for p in scripts}
    assert named == set(re.findall(r"python (\w+\.py)", TEXT))


@pytest.mark.slow
def test_every_command_runs(tmp_path):
    data = make_tiny_dataset(tmp_path / "train", seconds=1.5, at_mic=False, scenes=False)
    valid = make_tiny_dataset(tmp_path / "valid", seconds=1.5, split="valid")
    shutil.copytree(valid.root, data.root, dirs_exist_ok=True)
    positions = data.metadata / "head_loudspeaker_positions.json"
    write(positions, {**read(positions), "hp_0004": read(positions)["hp_0001"]})
    make_own_files(tmp_path)
    shutil.copy(data.metadata / "listeners.train.json", tmp_path / "listeners.json")
    for command in COMMANDS:
        if command in NOT_RUN:
            continue
        done = subprocess.run(
            ["bash", "-ec", adapted(command, data.root)],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "exp" / "hpss" / "report.html").exists()
    assert (tmp_path / "exp" / "my_model" / "enhanced_signals").is_dir()


def make_own_files(folder: Path) -> None:
    """What the commands take for granted: signals, and a separator of the user's own."""
    signal = sum(make_stems(1.5, 44100, 5).values())
    soundfile.write(folder / "reference.wav", signal, 44100)
    soundfile.write(folder / "processed.flac", 0.5 * signal, 44100)
    for name in ("references/song.flac", "processed/song.flac", "enhanced/song_L0001.flac"):
        (folder / name).parent.mkdir()
        soundfile.write(folder / name, signal, 44100)
    (folder / "mine" / "separator").mkdir(parents=True)
    (folder / "mine" / "my_package.py").write_text(MY_MODEL)
    (example,) = re.findall(r"```yaml\n(# mine/separator/my_model.yaml.*?)```", TEXT, re.DOTALL)
    (folder / "mine" / "separator" / "my_model.yaml").write_text(example)


def adapted(command: str, root: Path) -> str:
    """The command on a small data set, with separators that need no weights."""
    if command.startswith("cd "):
        return f"cd {ROOT / command.removeprefix('cd ')}"
    command = command.replace("/data/cadenza_data", str(root))
    command = command.replace("demucs,openunmix,hpss", "hpss,oracle")
    command = command.replace("exp/demucs,exp/openunmix,exp/hpss", "exp/hpss,exp/oracle")
    command = command.replace("exp/demucs", "exp/hpss")
    command = command.replace("[demucs,openunmix]", "[hpss,passthrough]")
    for script in re.findall(r"\w+\.py", command):
        (path,) = (ROOT / "recipes").rglob(script)
        command = command.replace(script, str(path))
        if "separator=" not in command and "generate" not in script:
            command += " separator=hpss"
    return command


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "recipes/cad_icassp_2024/README.md"]
)
def test_files_that_a_page_names_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert ((ROOT / page).parent / link).exists(), link
