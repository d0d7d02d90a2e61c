"""Separators as they are configured: what they are is known, what they return is checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.enhancer.nalr import NALR
from clarity.separation.base import VDBO, Mixture
from clarity.utils.signal_processing import resample
from recipes.cad_icassp_2024.baseline import separators
from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.separators import build_separator
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.pyclarity import process_remix_for_listener
from tests.recipes.baseline.helpers import make_config

# A separator of one's own without torch: its weights are where nobody sees them.
OWN_MODULE = """
import sys
from pathlib import Path

import numpy as np

VDBO = ("vocals", "drums", "bass", "other")
n_calls = 0


class Session:
    def __init__(self, checkpoint):
        shares = [float(share) for share in Path(checkpoint).read_text().split()]
        self.run = lambda signal: {n: s * signal for n, s in zip(VDBO, shares, strict=True)}


class Own:
    sources = VDBO

    def __init__(self, checkpoint, fault="", loudness=1.0):
        self.fault = fault
        self.session = Session(checkpoint)
        self._loudness = lambda: loudness

    def separate(self, mixture):
        global n_calls
        n_calls += 1
        stems = self.session.run(self._loudness() * mixture.signal)
        if self.fault == "few":
            del stems["drums"]
        if self.fault == "mono":
            stems["drums"] = stems["drums"].mean(axis=1)
        if self.fault == "short":
            stems["drums"] = stems["drums"][:-1]
        if self.fault == "transposed":
            stems["drums"] = stems["drums"].T
        if self.fault == "holes":
            stems["drums"][7, 1] = np.nan
        return stems


class Unknown(Own):
    def fingerprint(self):
        raise KeyError("no such layer")


def leave():
    sys.exit(0)
"""
OWN_CONFIG = """
model: own
module:
  _target_: outside_own.Own
  checkpoint: ${separator.checkpoint}
sources: [vocals, drums, bass, other]
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a separator of one's own, and its configuration."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "separator").mkdir()
    (folder / "outside_own.py").write_text(OWN_MODULE)
    (folder / "separator" / "own.yaml").write_text(OWN_CONFIG)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "weights.txt"
    path.write_text("0.1 0.2 0.3 0.4")
    return path


def own_config(own, root, tmp_path, checkpoint, *overrides):
    return make_config(
        own,
        root,
        "separator=own",
        f"separator.checkpoint={checkpoint}",
        f"path.exp_folder={tmp_path / 'exp'}",
        *overrides,
    )


def signals(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "enhanced_signals").glob("*.flac"))}


def test_other_weights_half_way_are_refused(own, tiny, tmp_path, checkpoint):
    enhance(own_config(own, tiny.root, tmp_path, checkpoint))
    whole = signals(tmp_path / "exp")
    next((tmp_path / "exp" / "enhanced_signals").glob("*.flac")).unlink()
    moved = checkpoint.rename(tmp_path / "moved.txt")
    enhance(own_config(own, tiny.root, tmp_path, moved))  # weights count, not where they are
    assert signals(tmp_path / "exp") == whole
    moved.write_text("0.4 0.3 0.2 0.1")
    with pytest.raises(RecipeError, match="other settings"):
        enhance(own_config(own, tiny.root, tmp_path, moved))
    assert signals(tmp_path / "exp") == whole


@pytest.mark.parametrize("change", ["argument", "weights"])
def test_kept_stems_are_those_of_the_same_separator(own, tiny, tmp_path, checkpoint, change):
    import outside_own

    cache = f"separator.cache_dir={tmp_path / 'stems'}"

    def n_separated(name, *overrides):
        before = outside_own.n_calls
        folder = f"path.exp_folder={tmp_path / name}"
        enhance(own_config(own, tiny.root, tmp_path, checkpoint, cache, folder, *overrides))
        return outside_own.n_calls - before

    assert n_separated("first") == 4
    assert n_separated("second") == 0
    assert signals(tmp_path / "second") == signals(tmp_path / "first")
    if change == "weights":
        checkpoint.write_text("0.4 0.3 0.2 0.1")
        assert n_separated("third") == 4
    else:
        assert n_separated("third", "+separator.module.loudness=0.5") == 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("few", "the separator 'own' returned no drums"),
        ("mono", r"the separator 'own' returned for drums the shape \(\d+,\).*it is mono"),
        ("short", "the separator 'own' returned for drums .*it is short by 1 samples"),
        ("transposed", "the separator 'own' returned for drums .*it is transposed"),
        ("holes", "the separator 'own' returned NaN or infinite samples for drums"),
    ],
)
def test_stems_that_are_none_are_not_kept(own, tiny, tmp_path, checkpoint, fault, message):
    overrides = [f"+separator.module.fault={fault}", f"separator.cache_dir={tmp_path / 'stems'}"]
    with pytest.raises(RecipeError, match=message):
        enhance(own_config(own, tiny.root, tmp_path, checkpoint, *overrides))
    assert not signals(tmp_path / "exp")
    assert not list((tmp_path / "stems").glob("*"))


def test_a_module_that_ends_the_program_is_an_error(own, tiny, tmp_path, checkpoint):
    config = own_config(own, tiny.root, tmp_path, checkpoint)
    config.separator.module = {"_target_": "outside_own.leave"}
    with pytest.raises(RecipeError, match=r"its module ended the program \(sys.exit\(0\)\)"):
        build_separator(config.separator)


def test_passthrough_gives_the_mixture_amplified(own, tiny, tmp_path):
    enhance(make_config(own, tiny.root, "separator=passthrough", f"path.exp_folder={tmp_path}"))
    config = make_config(own, tiny.root, "separator=passthrough")
    dataset = Dataset.load(DataPaths.from_config(config.path))
    assert any(any(pair.scene.gains_db.values()) for pair in dataset.pairs)
    for pair in dataset.pairs:
        mixture = dataset.read_music(pair.scene, "mixture", 44100)
        ears = process_remix_for_listener(mixture, NALR(220, 44100), None, pair.listener)
        expected = np.clip(resample(ears, 44100, 32000), -1, 1) * 32768
        name = f"{pair.id}_remix.flac"
        enhanced, _ = soundfile.read(tmp_path / "enhanced_signals" / name, dtype="int16")
        assert np.abs(enhanced - expected).max() < 2  # truncated, and rounded once to float32


# --- ensembles -----------------------------------------------------------------------------------


def ensemble(own, tiny, *overrides):
    return make_config(own, tiny.root, "separator=ensemble", *overrides).separator


def mixture_of(tiny) -> Mixture:
    path = tiny.at_mic_folder(tiny.mixtures[0]) / "mixture.wav"
    signal, rate = soundfile.read(path, frames=22050)
    return Mixture(signal, rate)


@pytest.fixture(scope="module")
def members(own, tiny) -> list[dict[str, np.ndarray]]:
    """What hpss and passthrough make of it."""
    settings = [
        make_config(own, tiny.root, f"separator={name}").separator
        for name in ("hpss", "passthrough")
    ]
    return [build_separator(one).separator.separate(mixture_of(tiny)) for one in settings]


@pytest.mark.parametrize(
    "weights", ["null", "[1,3]", "{vocals:[1,0],drums:[1,1],bass:[0,1],other:[1,3]}"]
)
def test_an_ensemble_is_the_mean_of_its_members(own, tiny, members, weights):
    settings = ensemble(
        own, tiny, "separator.members=[hpss,passthrough]", f"separator.weights={weights}"
    )
    stems = build_separator(settings).separator.separate(mixture_of(tiny))
    of_stem = {"null": lambda _: [1, 1], "[1,3]": lambda _: [1, 3]}.get(
        weights,
        {"vocals": [1, 0], "drums": [1, 1], "bass": [0, 1], "other": [1, 3]}.get,
    )
    for name in VDBO:
        expected = np.average([part[name] for part in members], axis=0, weights=of_stem(name))
        np.testing.assert_allclose(stems[name], expected, rtol=0, atol=1e-7)


def test_an_ensemble_that_loads_one_model_at_a_time_gives_the_same(
    own, tiny, tmp_path, monkeypatch
):
    members = "separator.members=[hpss,passthrough]"
    mixture = mixture_of(tiny)
    stems = build_separator(ensemble(own, tiny, members)).separator.separate(mixture)
    made = []
    make = separators._make
    monkeypatch.setattr(separators, "_make", lambda s: (made.append(s.model), make(s))[1])
    one = build_separator(
        ensemble(
            *(own, tiny, members, "separator.one_model_at_a_time=true"),
            f"separator.cache_dir={tmp_path / 'stems'}",
        )
    )
    for _ in range(2):  # the second time, from the cache: no model is loaded
        again = one.separator.separate(mixture)
        for name in VDBO:
            np.testing.assert_array_equal(again[name], stems[name])
    assert made == ["hpss", "passthrough"] * 2


def test_weights_that_change_between_two_loads_are_refused(own, tiny, checkpoint, monkeypatch):
    found = [f"hydra.searchpath=[file://{own}]"]
    monkeypatch.setattr(separators, "search_path_overrides", lambda: found)
    (own / "separator" / "member.yaml").write_text(f"{OWN_CONFIG}checkpoint: {checkpoint}\n")
    members = ("separator.members=[member]", "separator.one_model_at_a_time=true")
    separator = build_separator(ensemble(own, tiny, *members)).separator
    before = separator.separate(mixture_of(tiny))
    checkpoint.write_text("0.4 0.3 0.2 0.1")
    with pytest.raises(RecipeError, match=r"'own': its weights were changed while this run"):
        separator.separate(mixture_of(tiny))
    checkpoint.write_text("0.1 0.2 0.3 0.4")
    again = separator.separate(mixture_of(tiny))
    np.testing.assert_array_equal(again["bass"], before["bass"])


def test_a_fingerprint_that_fails_is_a_message(own, tiny, tmp_path, checkpoint):
    unknown = "separator.module._target_=outside_own.Unknown"
    settings = own_config(own, tiny.root, tmp_path, checkpoint, unknown).separator
    with pytest.raises(RecipeError, match=r"separator 'own' cannot be made: KeyError: 'no such la"):
        build_separator(settings)


def test_an_ensemble_is_known_by_its_members_and_weights(own, tiny, tmp_path):
    members = "separator.members=[hpss,passthrough]"
    others = [
        ensemble(own, tiny, members),
        ensemble(own, tiny, members, "separator.weights=[1,2]"),
        ensemble(own, tiny, "separator.members=[passthrough,hpss]"),
        ensemble(own, tiny, "separator.members=[hpss,oracle]"),
    ]
    prints = [build_separator(settings).fingerprint for settings in others]
    assert len(set(prints)) == 4
    again = ensemble(own, tiny, members, "separator.weights=[2,2]", "separator.device=cpu")
    assert build_separator(again).fingerprint == prints[0]


def test_an_ensemble_enhances_with_the_true_stems_of_a_member(own, tiny, tmp_path):
    oracle, both = tmp_path / "oracle", tmp_path / "both"
    two = "evaluate.batch_size=4"  # pairs, of two mixtures
    enhance(make_config(own, tiny.root, "separator=oracle", f"path.exp_folder={oracle}", two))
    members = ["separator.members=[oracle,hpss]", "separator.weights=[1,0]", two]
    cache = f"separator.cache_dir={tmp_path / 'stems'}"
    enhance(
        make_config(
            *(own, tiny.root, "separator=ensemble", f"path.exp_folder={both}", cache, *members)
        )
    )
    assert len(signals(oracle)) == 2
    assert signals(both) == signals(oracle)
    assert len(list((tmp_path / "stems").iterdir())) == 2  # those of hpss


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["separator.members=[hpss,nobody]"], "separator.members: 'nobody' has no configuration"),
        (["separator.members=[ensemble]"], "'ensemble' is not usable: an ensemble cannot be"),
        (["separator.weights=[1,2,3]"], r"separator.weights=\[1, 2, 3\]: 2 members need 2 weights"),
        (["separator.weights=[0,0]"], "not all 0"),
        (["separator.weights={vocals:[1,0]}"], "must be for vocals, drums, bass, other"),
    ],
)
def test_ensembles_that_cannot_be(own, tiny, overrides, message):
    with pytest.raises(RecipeError, match=message):
        build_separator(ensemble(own, tiny, *overrides))


def test_a_separator_has_members_or_a_module(own, tiny):
    with pytest.raises(
        RecipeError, match=r"separator.members and separator.module: a separator has"
    ):
        make_config(own, tiny.root, "separator=hpss", "separator.members=[oracle]")
