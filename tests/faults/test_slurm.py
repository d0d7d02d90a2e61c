"""A sweep through a real SLURM, with a job that is cancelled in the middle of its work."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.paths import DataPaths
from tests.faults.conftest import undisturbed
from tests.faults.running import Runner, has_one_message, n_scores, n_signals, signals, wait_until
from tests.recipes.baseline.helpers import make_config

pytestmark = pytest.mark.slow

SEPARATORS = ("my_shares", "hpss")
N_BATCHES = 4
SWEEP = (
    "-m",
    f"separator={','.join(SEPARATORS)}",
    f"evaluate.batch=range(0,{N_BATCHES})",
    f"evaluate.batch_size={N_BATCHES}",
    "hydra/launcher=slurm",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.mem_gb=2",
    "hydra.launcher.timeout_min=15",
)


@dataclass(frozen=True)
class Cluster:
    """A SLURM of one node."""

    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def is_idle(self) -> bool:
        return not self.ask("squeue", "--noheader").strip()


def free_ports() -> int:
    """A port that is free, and the next one too."""
    for port in range(16817, 17817, 2):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def cluster(shared: Path) -> Iterator[Cluster]:
    """Bring up a SLURM on this machine, and take it down again."""
    scripts = shared / "slurm"
    if not (scripts / "up.sh").is_file():
        pytest.skip(f"no script to bring up a SLURM at {scripts}")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("bringing up a SLURM needs root and apt-get")
    lab = Path(tempfile.mkdtemp(prefix="slurm-"))  # munge wants a short path that all may enter
    environment = {**os.environ, "SLURM_LAB": str(lab), "SLURM_PORT": str(free_ports())}
    try:
        done = subprocess.run(
            ["bash", str(scripts / "up.sh")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"SLURM does not come up here: {done.stdout[-500:]}")
        environment["SLURM_CONF"] = str(lab / "slurm.conf")
        environment["PATH"] = f"{lab / 'bin'}{os.pathsep}{environment['PATH']}"
        yield Cluster(environment)
    finally:
        subprocess.run(["bash", str(scripts / "down.sh")], env=environment, check=False)
        shutil.rmtree(lab, ignore_errors=True)


def cancel_in_the_middle(
    cluster: Cluster, running: subprocess.Popen, script: str, exp: Path, first_pair: str
) -> None:
    """Cancel the job of the second batch as soon as it has its first result."""

    def at_work() -> bool:
        if script == "enhance":
            return (exp / "enhanced_signals" / f"{first_pair}_remix.flac").exists()
        path = exp / f"scores_2-{N_BATCHES}.csv"
        return path.exists() and path.read_bytes().count(b"\n") > 1

    assert wait_until(at_work, running)
    holder = (exp / "locks" / f"{script}_2-{N_BATCHES}.holder").read_text()
    pid = int(re.match(r"process (\d+) on", holder)[1])
    assert not halted_and_gone(pid)
    jobs = cluster.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
    (job,) = [job for job in jobs if job.endswith("_1")]
    cluster.ask("scancel", job)
    wait_until(lambda: halted_and_gone(pid))


def halted_and_gone(pid: int) -> bool:
    """Halt a process, and say whether it is gone.

    SLURM wakes a job and leaves it some seconds before it kills it: it might finish in these.
    """
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return True
    return False


def test_a_sweep_with_a_cancelled_job_ends_as_single_runs_do(cluster: Cluster, plugin, tmp_path):
    alone = undisturbed(
        tmp_path / "alone",
        plugin,
        seconds=2.0,
        n_songs=4,
        n_scenes_per_song=2,
        n_listeners_per_scene=3,
    )
    single = Runner(alone.data.root, plugin, tmp_path / "alone" / "run")
    for script in ("enhance", "evaluate"):
        for name in SEPARATORS:
            single.run(script, f"separator={name}")
    config = make_config(plugin, alone.data.root)
    pairs = Dataset.load(DataPaths.from_config(config.path)).select(1, N_BATCHES)

    runner = Runner(alone.data.root, plugin, tmp_path / "swept")
    runner.environment |= cluster.environment | {"PYTHONPATH": runner.environment["PYTHONPATH"]}
    exp = tmp_path / "swept" / "exp"
    for script in ("enhance", "evaluate"):
        with runner.start(script, *SWEEP) as running:
            cancel_in_the_middle(cluster, running, script, exp / SEPARATORS[0], pairs[0].id)
            running.wait(600)
        print(runner.output())
        assert running.returncode == 1
        assert "Traceback" not in runner.output()
        assert re.search(r"SLURM job \d+_1 was ended before its work was \(", runner.output())
        wait_until(cluster.is_idle)
        if script == "enhance":
            assert n_signals(exp / SEPARATORS[0]) < 24
            assert n_signals(exp / SEPARATORS[1]) == 24
        else:
            output = runner.run("merge_batches_results", code=1)
            assert has_one_message(output), output
            assert re.search(r"scores_2-4.csv: is short of \d of 6 pairs", output)
        runner.run(script, *SWEEP)

    for name in SEPARATORS:
        runner.run("merge_batches_results", f"separator={name}")
        ours, theirs = exp / name, alone.exp.parent / name
        assert signals(ours) == signals(theirs)
        assert n_scores(ours) == 24
        assert (ours / "scores.csv").read_bytes() == (theirs / "scores.csv").read_bytes()
