"""The console commands. Each names its script; what the script imports comes when it is called."""

from __future__ import annotations

from functools import partial
from importlib import import_module

from clarity.utils.stopping import end_at_once_when_stopped


def _run(script: str) -> None:
    end_at_once_when_stopped()
    import_module(f"recipes.cad_icassp_2024.{script}").main()


# cadenza-enhance and so on: see project.scripts in pyproject.toml.
enhance = partial(_run, "baseline.enhance")
evaluate = partial(_run, "baseline.evaluate")
merge = partial(_run, "baseline.merge_batches_results")
finetune = partial(_run, "baseline.finetune")
report = partial(_run, "baseline.report")
generate_scenes = partial(_run, "generate_dataset.generate_train_scenes")
generate_at_mic = partial(_run, "generate_dataset.generate_at_mic_musdb18")
demo_data = partial(_run, "generate_dataset.make_demo_data")
download = partial(_run, "generate_dataset.download")
