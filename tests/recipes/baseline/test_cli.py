"""The scripts as a user runs them: one clear message, exit code 1, nothing half-written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.recipes.baseline.helpers import ROOT, SCRIPTS, call_script, run_script


def output(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


NOTHING_GIVEN = ([], ["path.root is not given: add path.root=FOLDER"])


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        NOTHING_GIVEN,
        (["path.root=nowhere"], ["path.root=nowhere does not exist", "give the folder"]),
        (["path.root=DATA", "separator=demuc"], ["Could not find 'separator/demuc'", "openunmix"]),
        (["path.root=DATA", "separator=hpss", "separator.device=cuda:7"], ["cuda:7", "cpu"]),
        (
            ["path.root=DATA", "separator=hpss", "separator.module._target_=no.such.Thing"],
            ["cannot make the separator 'hpss'", "no.such.Thing"],
        ),
        (["path.root=DATA", "separator=demucs", "separator.checkpoint=gone.pt"], ["gone.pt"]),
        (["path.root=DATA", f"path.exp_folder={'x' * 300}"], ["longer than the disk allows"]),
    ],
)
def test_a_mistake_gets_one_message_and_exit_code_1(arguments, messages, tiny, tmp_path, capsys):
    arguments = [argument.replace("DATA", str(tiny.root)) for argument in arguments]
    done = call_script("enhance.py", *arguments, cwd=tmp_path, capsys=capsys)
    assert done.returncode == 1, output(done)
    assert "Traceback" not in output(done)
    for message in messages:
        assert message in output(done)
    assert not list(tmp_path.rglob("*.flac"))


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [NOTHING_GIVEN, (["path.root=caf\udce9"], ["caf\\udce9' is not UTF-8 text: rename"])],
)
def test_so_does_it_in_a_process_of_its_own(arguments, messages, tmp_path):
    done = run_script("enhance.py", *arguments, cwd=tmp_path)
    assert done.returncode == 1, output(done)
    assert "Traceback" not in output(done)
    for message in messages:
        assert message in output(done)


def test_the_traceback_is_there_for_who_asks(tmp_path):
    done = run_script("enhance.py", "path.root=nowhere", cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in output(done)
    (log,) = tmp_path.rglob("enhance-*.log")
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("script", ["enhance", "evaluate", "merge_batches_results", "report"])
def test_help_explains_every_key_and_shows_three_commands(script, tmp_path, capsys):
    done = call_script(f"{script}.py", "--help", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 0, output(done)
    assert done.stdout.count(f"python {script}.py") >= 3
    for key in ("path.root", "separator.segment", "evaluate.batch_size", "on_error"):
        assert f"\n  {key} " in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_sweep_gives_each_separator_its_folder_and_works_as_a_module(tiny, plugin, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "recipes.cad_icassp_2024.baseline.enhance", "-m"),
            *("separator.model=passthrough,oracle", f"path.root={tiny.root}"),
            *("evaluate.batch_size=4", "evaluate.batch=0"),
            f"path.exp_folder={tmp_path}/exp/${{separator.model}}",
            f"hydra.sweep.dir={tmp_path}/sweep",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, output(done)
    for name in ("passthrough", "oracle"):
        assert len(list((tmp_path / "exp" / name / "enhanced_signals").glob("*.flac"))) == 2


def test_one_failing_job_leaves_the_others_running(tiny, tmp_path, capsys):
    done = call_script(
        "enhance.py",
        "-m",
        "separator=hpss,oracle",
        "separator.sample_rate=44100,0",
        f"path.root={tiny.root}",
        "evaluate.batch_size=8",
        cwd=tmp_path,
        capsys=capsys,
    )
    assert done.returncode == 1
    assert "separator 'oracle': sample_rate must be positive, not 0" in output(done)
    assert {p.parent.parent.name for p in tmp_path.rglob("*.flac")} == {"hpss", "oracle"}


def test_parallel_jobs_share_the_work(tiny, tmp_path):
    done = run_script(
        "enhance.py",
        "-m",
        "evaluate.batch=range(0,2)",
        "evaluate.batch_size=2",
        "separator=oracle",
        "hydra/launcher=parallel",
        f"path.root={tiny.root}",
        cwd=tmp_path,
    )
    assert done.returncode == 0, output(done)
    assert len(list((tmp_path / "exp" / "oracle" / "enhanced_signals").glob("*.flac"))) == 8


@pytest.mark.parametrize("elsewhere", [(), ("hydra.job.chdir=true", "hydra.run.dir=elsewhere")])
def test_scripts_run_from_their_own_folder_with_a_relative_root(tiny, tmp_path, capsys, elsewhere):
    (tmp_path / "data").symlink_to(tiny.root)
    work = tmp_path / "work"
    work.mkdir()
    before = set(SCRIPTS.rglob("*"))
    done = call_script(
        *("enhance.py", "path.root=../data", "separator=oracle", "evaluate.batch_size=8"),
        *elsewhere,
        cwd=work,
        capsys=capsys,
    )
    assert done.returncode == 0, output(done)
    assert (work / "exp" / "oracle" / "enhanced_signals").is_dir()
    assert {path.name for path in work.iterdir()} - {"elsewhere"} == {"exp"}
    new = set(SCRIPTS.rglob("*")) - before
    assert {path for path in new if "__pycache__" not in path.parts} == set()
