"""The wheel in an environment of its own: what a plain install gives, in a folder anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "cadenza-demo-data",
    "cadenza-download",
    "cadenza-enhance",
    "cadenza-evaluate",
    "cadenza-generate-at-mic",
    "cadenza-generate-scenes",
    "cadenza-merge",
    "cadenza-report",
    "haaqi",
)


SMALL = ("path.root=data", "evaluate.small_test=true")


class Installed:
    """An environment that has the wheel and, beside it, what this environment has."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder, symlinks=os.name != "nt", with_pip=False)
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.bin = folder / scripts
        (self.site,) = folder.glob("[Ll]ib/**/site-packages")
        # A folder named by a .pth file is searched, but the .pth files in it are not read: an
        # editable install of the checkout stays out.
        others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (self.site / "beside.pth").write_text("\n".join(others))
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", str(self.bin / "python")),
                *("install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"),
                str(wheel),
            ],
            check=True,
        )
        self._take_over_compiled_code()

    def _take_over_compiled_code(self) -> None:
        """Copy the machine code that numba has for the same sources: compiling takes a minute.

        Numba looks whether the source has the time and the size that it had.
        """
        for cached in ROOT.glob("clarity/**/__pycache__/*.nb[ic]"):
            source = cached.parents[1] / f"{cached.name.split('.')[0]}.py"
            installed = self.site / source.relative_to(ROOT)
            if not installed.is_file() or installed.read_bytes() != source.read_bytes():
                continue
            shutil.copyfile(cached, self.site / cached.relative_to(ROOT))
            os.utime(installed, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))

    def run(self, command: str, *arguments: str, cwd: Path, code: int = 0) -> str:
        """Run a console command, away from the checkout."""
        environment = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
        ],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("env"), wheel)


@pytest.fixture(scope="module")
def work(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo data, and the signals of two separators from a sweep."""
    folder = tmp_path_factory.mktemp("work")
    assert "The demo data is in data" in installed.run(
        "cadenza-demo-data", "--root", "data", cwd=folder
    )
    installed.run("cadenza-enhance", "-m", "separator=passthrough,oracle", *SMALL, cwd=folder)
    return folder


def test_the_wheel_holds_what_the_checkout_holds(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "clarity", "recipes", "config"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    for name in listed:
        inside = name.replace("config/", "recipes/cad_icassp_2024/config/", 1)
        expected = inside if name.startswith("config/") else name
        assert packed[expected] == (ROOT / name).read_bytes(), name
    assert "clarity/py.typed" in packed
    others = [name for name in packed if not name.startswith(("clarity/", "recipes/"))]
    assert {name.split("/")[0].split("-")[0] for name in others} == {"cadenza_icassp_2024"}


def test_the_checkout_is_not_what_is_imported(installed: Installed, tmp_path: Path) -> None:
    code = "import clarity, recipes; print(clarity.__file__); print(recipes.__file__)"
    for line in installed.run("python", "-c", code, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(installed.site)


def test_every_command_is_installed(installed: Installed) -> None:
    assert {command for command in COMMANDS if (installed.bin / command).exists()} == set(COMMANDS)


def test_help_is_that_of_the_checkout(installed: Installed, tmp_path: Path) -> None:
    script = ROOT / "recipes" / "cad_icassp_2024" / "baseline" / "enhance.py"
    here = subprocess.run(
        [sys.executable, str(script), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "separator.segment" in here
    assert installed.run("cadenza-enhance", "--help", cwd=tmp_path) == here


def test_a_sweep_is_scored_and_reported(installed: Installed, work: Path) -> None:
    signals = sorted(path.relative_to(work) for path in work.glob("exp/*/enhanced_signals/*"))
    name = "enhanced_signals/scene_10001_N2_remix.flac"
    assert signals == [Path("exp/oracle") / name, Path("exp/passthrough") / name]
    scored = installed.run(
        "cadenza-evaluate", "-m", "separator=passthrough,oracle", *SMALL, cwd=work
    )
    assert "exp/oracle/scores.csv: HAAQI of 1 pairs" in scored
    installed.run(
        "cadenza-report",
        *(
            "path.root=data",
            "report.folders=[exp/passthrough,exp/oracle]",
            "report.output=report.html",
        ),
        cwd=work,
    )
    page = (work / "report.html").read_text(encoding="utf-8")
    style = ROOT / "recipes" / "cad_icassp_2024" / "reporting" / "assets" / "report.css"
    assert style.read_text(encoding="utf-8").splitlines()[-2].strip() in page


def test_haaqi_scores_two_files(installed: Installed, work: Path) -> None:
    (song,) = (work / "data" / "audio" / "music" / "train").iterdir()
    files = (str(song / "vocals.wav"), str(song / "vocals.wav"))
    options = ("--audiogram", "N3", "--equalisation", "2", "--json")
    printed = installed.run("haaqi", *files, *options, cwd=work)
    assert 0.9 < json.loads(printed)["ears"]["left"]["score"] <= 1
