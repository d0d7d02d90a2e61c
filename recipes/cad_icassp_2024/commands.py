"""The console commands. Each names its script; what the script imports comes when it is called."""

from __future__ import annotations

from importlib import import_module

from clarity.utils.stopping import end_at_once_when_stopped


def enhance() -> None:
    """Run ``cadenza-enhance``."""
    _run("baseline.enhance")


def evaluate() -> None:
    """Run ``cadenza-evaluate``."""
    _run("baseline.evaluate")


def merge() -> None:
    """Run ``cadenza-merge``."""
    _run("baseline.merge_batches_results")


def finetune() -> None:
    """Run ``cadenza-finetune``."""
    _run("baseline.finetune")


def report() -> None:
    """Run ``cadenza-report``."""
    _run("baseline.report")


def generate_scenes() -> None:
    """Run ``cadenza-generate-scenes``."""
    _run("generate_dataset.generate_train_scenes")


def generate_at_mic() -> None:
    """Run ``cadenza-generate-at-mic``."""
    _run("generate_dataset.generate_at_mic_musdb18")


def demo_data() -> None:
    """Run ``cadenza-demo-data``."""
    _run("generate_dataset.make_demo_data")


def download() -> None:
    """Run ``cadenza-download``."""
    _run("generate_dataset.download")


def _run(script: str) -> None:
    end_at_once_when_stopped()
    import_module(f"recipes.cad_icassp_2024.{script}").main()
