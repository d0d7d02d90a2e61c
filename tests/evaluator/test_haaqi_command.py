"""The command line: python -m clarity.evaluator.haaqi."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.commands import haaqi
from clarity.evaluator.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi.__main__ import main
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram

LISTENERS = {
    "L0001": {
        "name": "L0001",
        "audiogram_cfs": [250, 500, 1000, 2000, 4000, 6000],
        "audiogram_levels_l": [10, 10, 20, 30, 40, 50],
        "audiogram_levels_r": [60, 60, 60, 60, 60, 60],
    }
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Mono and stereo pairs at two rates, and listeners."""
    rng = np.random.default_rng(0)
    stereo = 0.1 * rng.standard_normal((12000, 2))
    clipped = np.clip(stereo, -0.1, 0.1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 24000, subtype="FLOAT")
    soundfile.write(tmp_path / "stereo_clipped.flac", clipped, 24000)
    soundfile.write(tmp_path / "mono.wav", stereo[:, 0], 24000, subtype="DOUBLE")
    soundfile.write(tmp_path / "mono_clipped.wav", clipped[:, 0], 24000, subtype="DOUBLE")
    soundfile.write(tmp_path / "mono_16k.wav", clipped[:8000, 0], 16000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(12000), 24000)
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 24000)
    (tmp_path / "listeners.json").write_text(json.dumps(LISTENERS))
    return tmp_path


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """What the command prints with --json."""
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_mono_is_the_library_score(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference, processed = files / "mono.wav", files / "mono_clipped.wav"
    printed = run_json(
        capsys, reference, processed, "--audiogram", "N3", "--level1", 80, "--seed", 5
    )
    expected = evaluate_haaqi(
        soundfile.read(reference)[0],
        24000,
        soundfile.read(processed)[0],
        24000,
        STANDARD_AUDIOGRAMS["N3"],
        1,
        80.0,
        random_state=np.random.RandomState(5),
    )
    assert printed["score"] == expected.score
    assert printed["ears"]["mono"] == {
        "score": expected.score,
        "nonlinear": expected.nonlinear,
        "linear": expected.linear,
        "cep_high": expected.cep_high,
        "bm_sync5": expected.bm_sync5,
        "d_loud": expected.d_loud,
        "d_norm": expected.d_norm,
    }


def test_engines_agree(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = files / "mono.wav", files / "mono_16k.wav", "--audiogram", "S2"
    compiled, reference = (
        run_json(capsys, *arguments, "--engine", engine)["ears"]["mono"]
        for engine in ("compiled", "reference")
    )
    assert reference == pytest.approx(compiled, abs=1e-9)
    assert reference != compiled  # two ways of computing, not one under two names


def test_stereo_uses_each_ear_of_the_listener(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = files / "stereo.wav", files / "stereo_clipped.flac"
    listener = ("--listeners", files / "listeners.json", "--listener", "L0001")
    printed = run_json(capsys, *pair, *listener, "--equalisation", 2, "--reference-level", 70)
    reference, processed = soundfile.read(pair[0])[0], soundfile.read(pair[1])[0]
    stream = np.random.RandomState(0)
    for channel, (ear, levels) in enumerate(
        [("left", [10, 10, 20, 30, 40, 50]), ("right", [60] * 6)]
    ):
        x = reference[:, channel]
        expected = evaluate_haaqi(
            x,
            24000,
            processed[:, channel],
            24000,
            Audiogram(levels, [250, 500, 1000, 2000, 4000, 6000]),
            2,
            70.0 - 20.0 * np.log10(np.sqrt(np.mean(x**2))),
            random_state=stream,
        )
        assert printed["ears"][ear]["score"] == pytest.approx(expected.score, abs=1e-12)
    one_ear = run_json(capsys, *pair, *listener, "--ear", "right")
    assert list(one_ear["ears"]) == ["right"]


def test_text_and_other_rates(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(files / "mono.wav"), str(files / "mono_16k.wav"), "--audiogram", "S1"]) == 0
    assert capsys.readouterr().out.startswith("mono   HAAQI 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.wav", "mono.wav", "--audiogram", "N1"], "no such file"),
        (["mono.wav", "stereo.wav", "--audiogram", "N1"], "1 channel but stereo.wav has 2 chan"),
        (["mono.wav", ".", "--audiogram", "N1"], ". is a folder, mono.wav is not"),
        ([".", "mono.wav", "--audiogram", "N1"], ". is a folder, mono.wav is not"),
        (["empty.wav", "stereo.wav", "--audiogram", "N1", "--reference-level", "65"], "(left ear)"),
        (["mono.wav", "mono.wav", "--audiogram", "N1", "--seed", "-1"], "--seed -1: must be from"),
        (["listeners.json", "mono.wav", "--audiogram", "N1"], "listeners.json"),
        (["silence.wav", "mono.wav", "--audiogram", "N1"], "silent"),
        (["mono.wav", "mono.wav", "--listeners", "listeners.json", "--listener", "L0001"], "--ear"),
        (["stereo.wav", "stereo.wav", "--listeners", "listeners.json"], "--listener"),
        (["stereo.wav", "stereo.wav", "--listeners", "listeners.json", "--listener", "L9"], "L9"),
    ],
)
def test_bad_input_is_one_message(files: Path, arguments: list[str], message: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "clarity.evaluator.haaqi", *arguments],
        cwd=files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    *warnings, error = run.stderr.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert warnings == [line for line in warnings if line.startswith("WARNING: empty.wav lasts")]


@pytest.mark.parametrize("command", ["haaqi", "python -m clarity.evaluator.haaqi"])
def test_help_shows_what_was_typed(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["haaqi", "--help"])
    monkeypatch.setattr("clarity.commands.end_at_once_when_stopped", lambda: None)
    with pytest.raises(SystemExit, match="0"):
        haaqi() if command == "haaqi" else main()
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: {command} [-h]")
    assert f"\n  {command} reference.wav processed.flac --audiogram N3\n" in printed
    assert printed.count(" reference.wav processed") == printed.count(f"{command} reference.wav ")
