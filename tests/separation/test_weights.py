"""Pretrained models through the real path: files on disk, checked, loaded, run.

The published weights are not needed: files of the right shapes are written where torch.hub would
keep the published ones, and the packages' own loaders say what must come out.
"""

import dataclasses
import hashlib
import signal

import numpy as np
import openunmix
import pytest
import torch
import torchaudio
from torchaudio.models import hdemucs_high

from clarity.separation import __main__ as cli, openunmix as openunmix_module, weights
from clarity.separation.base import VDBO, Mixture
from clarity.separation.fingerprint import fingerprint
from clarity.separation.hdemucs import HDEMUCS_SOURCES, load_hdemucs
from clarity.separation.openunmix import load_openunmix
from clarity.separation.segmented import SegmentedSeparator
from clarity.separation.weights import (
    HDEMUCS_FILE,
    UMXHQ_FILES,
    WeightsError,
    WeightsFile,
    find_or_download,
    load_state,
    load_weights,
)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder for torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub"


@pytest.fixture(scope="module")
def hdemucs_home(tmp_path_factory):
    """A TORCH_HOME with random HDemucs weights of full size; they are 335 MB and go afterwards."""
    home = tmp_path_factory.mktemp("torch_home")
    path = home / "hub" / "torchaudio" / "models" / "hdemucs_high_musdbhq_only.pt"
    path.parent.mkdir(parents=True)
    torch.manual_seed(1)
    torch.save(hdemucs_high(list(HDEMUCS_SOURCES)).state_dict(), path)
    yield home
    path.unlink()


@pytest.fixture(scope="module")
def umxhq_folder(tmp_path_factory):
    """A folder with random Open-Unmix weights under the published names."""
    folder = tmp_path_factory.mktemp("umxhq")
    torch.manual_seed(2)
    models = openunmix.umxhq_spec(pretrained=False)
    for stem, file in UMXHQ_FILES.items():
        state = models[stem].state_dict()
        for name in list(state):
            if name.endswith("running_mean"):
                state[name] = torch.randn_like(state[name])
        state["stft.window"] = torch.ones(4096)  # the published files hold more than the model
        torch.save(state, folder / file.name)
    yield folder
    for path in folder.iterdir():
        path.unlink()


def music(n_samples):
    rng = np.random.default_rng(5)
    return torch.from_numpy(rng.uniform(-0.5, 0.5, (1, 2, n_samples)).astype(np.float32))


def test_hdemucs_equals_the_bundle_of_torchaudio(hdemucs_home, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(hdemucs_home))
    ours = load_hdemucs()
    bundles = torchaudio.pipelines.HDEMUCS_HIGH_MUSDB.get_model()
    assert ours.sources == bundles.sources
    with torch.inference_mode():
        np.testing.assert_array_equal(ours(music(5000)), bundles(music(5000)))

    separator = SegmentedSeparator(
        ours, sources=HDEMUCS_SOURCES, sample_rate=44100, normalise=True, device="cpu"
    )
    for n_samples in (1, 500):
        stems = separator.separate(Mixture(music(n_samples)[0].numpy().T, 44100))
        assert {stem.shape for stem in stems.values()} == {(n_samples, 2)}


def test_openunmix_equals_the_package(umxhq_folder, hub, monkeypatch):
    (hub).mkdir(parents=True)
    (hub / "checkpoints").symlink_to(umxhq_folder)
    with_right_hash = {
        stem: dataclasses.replace(file, sha256_prefix=weights.file_sha256(file.path)[:8])
        for stem, file in UMXHQ_FILES.items()
    }
    monkeypatch.setattr(openunmix_module, "UMXHQ_FILES", with_right_hash)
    ours = load_openunmix()
    packages = openunmix.umxhq(niter=0).eval()
    mixture = torch.cat([music(30000), music(30000).flip(-1)])
    with torch.inference_mode():
        np.testing.assert_array_equal(ours(mixture), packages(mixture))
    assert list(ours.target_models) == list(VDBO)

    separator = SegmentedSeparator(ours, sources=VDBO, sample_rate=44100, device="cpu")
    for n_samples in (1, 500):
        stems = separator.separate(Mixture(music(n_samples)[0].numpy().T, 44100))
        assert {stem.shape for stem in stems.values()} == {(n_samples, 2)}
    assert fingerprint(load_openunmix(umxhq_folder)) == fingerprint(ours)


def test_the_published_files_are_those_of_the_packages(hub):
    bundle = torchaudio.pipelines.HDEMUCS_HIGH_MUSDB
    assert HDEMUCS_FILE.url.endswith(bundle._model_path)
    assert HDEMUCS_FILE.path == hub / "torchaudio" / "models" / "hdemucs_high_musdbhq_only.pt"
    assert UMXHQ_FILES["bass"].path == hub / "checkpoints" / "bass-8d85a5bd.pth"
    constants = openunmix.umxhq_spec.__code__.co_consts
    urls = {text for text in _flatten(constants) if "zenodo" in text}
    assert urls == {file.url for file in UMXHQ_FILES.values()}


def _flatten(constants):
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from _flatten(constant)


def test_openunmix_weights_with_another_hash_are_refused(umxhq_folder, hub):
    hub.mkdir(parents=True)
    (hub / "checkpoints").symlink_to(umxhq_folder)
    with pytest.raises(WeightsError, match=r"vocals-b62c91ce.pth is damaged: its SHA-256"):
        load_openunmix()


# --- downloads -----------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path):
    """A small published file; its address is on this disk."""
    path = tmp_path / "published.pt"
    torch.save({"weight": torch.arange(5.0)}, path)
    return WeightsFile(
        "models", "small.pt", path.as_uri(), 0.1, hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    )


def test_a_missing_file_is_downloaded_once(hub, published, tmp_path):
    path = find_or_download(published)
    assert path == hub / "models" / "small.pt"
    assert path.read_bytes() == (tmp_path / "published.pt").read_bytes()
    (tmp_path / "published.pt").unlink()
    assert find_or_download(published) == path


def assert_refused(file, hub):
    with pytest.raises(WeightsError) as caught:
        find_or_download(file)
    for part in (file.name, file.url, "0.1 MB", str(hub / "models")):
        assert part in str(caught.value)
    assert list((hub / "models").iterdir()) == []


def test_without_network_the_message_says_what_to_do(hub, published, tmp_path):
    (tmp_path / "published.pt").unlink()
    assert_refused(published, hub)


def test_a_download_with_another_hash_is_not_kept(hub, published):
    assert_refused(dataclasses.replace(published, sha256_prefix="00000000"), hub)


def test_a_download_that_breaks_off_is_not_kept(hub, published, tmp_path):
    path = tmp_path / "published.pt"
    path.write_bytes(path.read_bytes()[:-100])
    assert_refused(dataclasses.replace(published, sha256_prefix=""), hub)


def test_the_command_line_lists_and_downloads(hub, published, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cli, "PRETRAINED", {"small": (published,)})
    assert cli.main(["list"]) == 0
    assert "missing" in capsys.readouterr().out
    assert cli.main(["download", "small"]) == 0
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert "here" in out
    assert str(hub / "models" / "small.pt") in out
    published.path.unlink()
    (tmp_path / "published.pt").unlink()
    assert cli.main(["download", "small"]) == 1
    assert published.url in capsys.readouterr().err


def test_a_download_that_is_stopped_says_so_and_leaves_nothing(hub, monkeypatch, capsys):
    def stop(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(torch.hub, "download_url_to_file", stop)
    assert cli.main(["download", "demucs"]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
    assert not [path for path in hub.rglob("*") if path.is_file()]


# --- checkpoints ---------------------------------------------------------------------------------


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere.pt cannot be read: No such file"):
        load_hdemucs(tmp_path / "nowhere.pt")
    with pytest.raises(WeightsError, match=r"folder of checkpoints .*nowhere is not there"):
        load_openunmix(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"must hold one file vocals\*.pth; there is: none"):
        load_openunmix(tmp_path)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_cut_short_is_named(tmp_path, kept, zipped):
    path = tmp_path / "bad.pt"
    module = torch.nn.Linear(20, 20)
    # The published files of Open-Unmix have the format that torch wrote before 1.6.
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=zipped)
    load_weights(module, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(WeightsError, match=r"bad.pt is not a checkpoint of tensors or is damaged"):
        load_state(path)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"text.pt is not a checkpoint of tensors"):
        load_state(tmp_path / "text.pt")


class Evil:
    """Code that a pickle would run."""

    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match=r"evil.pt is not a checkpoint of tensors"):
        load_state(tmp_path / "evil.pt")


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    module = torch.nn.Linear(3, 2)
    path = tmp_path / "x.pt"
    for content, message in [
        ([1, 2], "something other than a state dict"),
        ({"state": {"weight": torch.ones(2, 3)}}, "something other than a state dict"),
        ({"weight": torch.ones(2, 3)}, "does not fit Linear: it lacks bias"),
        (
            {"weight": torch.ones(2, 3), "bias": torch.ones(2), "gain": torch.ones(1)},
            "does not fit Linear: it has, beyond the model, gain",
        ),
        ({"weight": torch.ones(2, 4), "bias": torch.ones(2)}, "size mismatch for weight"),
    ]:
        torch.save(content, path)
        with pytest.raises(WeightsError, match=message):
            load_weights(module, path)
