"""The configuration as it is composed, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from recipes.cad_icassp_2024.baseline.separators import build_separator
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.command_line import command_line_problems
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR, compose_config
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.overrides import translate_overrides
from recipes.cad_icassp_2024.runs.schema import describe


def config_of(*overrides: str) -> Config:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return as_config(compose("config", list(overrides)))


def test_defaults_are_those_of_the_challenge():
    config = config_of("path.root=/data")
    assert (config.sample_rate, config.remix_sample_rate, config.HAAQI_sample_rate) == (
        44100,
        32000,
        24000,
    )
    assert (config.nalr.nfir, config.nalr.sample_rate) == (220, 44100)
    assert config.compressor.threshold == 0.35
    assert config.compressor.attenuation == 0.1
    assert (config.compressor.attack, config.compressor.release) == (50, 1000)
    assert config.compressor.rms_buffer_size == 0.064
    assert config.evaluate.set_random_seed
    assert not (config.apply_compressor or config.soft_clip or config.evaluate.small_test)
    assert (config.evaluate.batch_size, config.evaluate.batch) == (1, 0)
    assert config.separator.model == "demucs"
    assert config.path.scenes_file == "/data/metadata/scenes.train.json"


def test_the_split_switches_every_file_name_at_once():
    path = config_of("path.root=/data", "path.split=valid").path
    for file in (
        path.listeners_file,
        path.music_file,
        path.scenes_file,
        path.scene_listeners_file,
    ):
        assert Path(file).name.endswith(".valid.json")


def test_each_separator_has_a_folder_of_its_own_unless_one_is_given():
    names = {file.stem for file in (CONFIG_DIR / "separator").glob("*.yaml")}
    assert names == {
        *("demucs", "openunmix", "hpss", "oracle", "masknet"),
        *("passthrough", "ensemble"),
    }
    for name in names:
        config = config_of("path.root=/data", f"separator={name}")
        assert config.separator.model == name
        assert config.path.exp_folder == f"exp/{name}"
    assert config_of("path.root=/d", "path.exp_folder=here").path.exp_folder == "here"


def test_a_relative_root_stays_what_the_user_typed():
    assert config_of("path.root=../data").path.gains_file == "../data/metadata/gains.json"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["separator.model=openunmix"], ["separator=openunmix"]),
        (["-m", "separator.model=demucs,openunmix"], ["-m", "separator=demucs,openunmix"]),
        (["separator=hpss", "separator.model=mine"], ["separator=hpss", "separator.model=mine"]),
        (["path.root=/my data/ü"], ["path.root='/my data/ü'"]),
        (["path.root='/my data'"], ["path.root='/my data'"]),
        (["path.root=it's"], ["path.root='it\\'s'"]),
        (["path.exp_folder=exp/${separator.model}"], ["path.exp_folder=exp/${separator.model}"]),
        (["path.split=train,valid", "-m"], ["-m", "path.split=train,valid"]),
        (["separator.device=cpu"], ["separator.device=cpu"]),
        (["a=1", "--config-dir", "my own", "b=2"], ["--config-dir", "my own", "a=1", "b=2"]),
        (["a=1", "--config-dir=my own", "-m"], ["--config-dir=my own", "-m", "a=1"]),
        (["a=1", "--cfg", "job"], ["a=1", "--cfg", "job"]),
        (["a=1", "--info"], ["a=1", "--info"]),
    ],
)
def test_what_users_type_becomes_what_hydra_reads(given, meant):
    assert translate_overrides(given) == meant


def test_paths_with_a_home_folder_and_with_spaces_are_understood(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me and you")
    given = ["path.root=~/data", "path.exp_folder=it's (here)"]
    path = config_of(*translate_overrides(given)).path
    assert path.gains_file == "/home/me and you/data/metadata/gains.json"
    assert path.exp_folder == "it's (here)"


AS_TYPED = (
    *("2024_01_15", "3.10", "1e3", "true", "null", "inf", "0x", "a,b", "exp[1]", "exp{a}", "[a]"),
    *(
        "it's",
        'say "so"',
        "'quoted\"",
        "end\\",
        "C:\\exp\\",
        "\\\\'",
        "a b",
        "(x)",
        "a=b",
        "ü",
        "#1",
        "~x",
    ),
)


@pytest.mark.parametrize("name", AS_TYPED)
def test_a_path_is_what_was_typed(name):
    given = ["path.root=/d", f"path.exp_folder={name}", f"report.output={name}.html"]
    config = config_of(*translate_overrides(given))
    assert config.path.exp_folder == name
    assert config.report.output == f"{name}.html"


def test_lists_of_folders_and_sweeps_are_what_was_typed():
    given = ["path.root=/d", "report.folders=[2024_01_15,'a b',exp/x]"]
    assert config_of(*translate_overrides(given)).report.folders == ["2024_01_15", "a b", "exp/x"]
    sweep = ["-m", "path.exp_folder=1e3,a b", "path.root=choice(a,b)"]
    assert translate_overrides(sweep) == [
        *("-m", "path.exp_folder='1e3','a b'"),
        "path.root=choice(a,b)",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "path.root is not given"),
        (["sample_rate=0"], "sample_rate=0: must be above 0"),
        (["remix_sample_rate=-1"], "remix_sample_rate=-1"),
        (["nalr.nfir=0"], "nalr.nfir must be a whole number from 1 to 1022, got 0"),
        (["nalr.nfir=1023"], "nalr.nfir must be a whole number"),
        (["compressor.attack=0"], "compressor.attack must be one sample"),
        (["compressor.release=nan"], "compressor.release must be"),
        (["evaluate.batch_size=0"], "evaluate.batch_size=0: must be 1 or more"),
        (["evaluate.batch=1"], "evaluate.batch=1: must be from 0 to 0"),
        (["evaluate.batch=-1"], "evaluate.batch=-1"),
        (["+evaluate.bach=1"], "evaluate.bach: there is no such key; did you mean evaluate.batch?"),
        (["+colour=red"], "colour: there is no such key"),
        (["path.exp_folder="], "path.exp_folder is empty"),
        (["separator=hpss", "separator.checkpoint=w.pt"], "hpss takes no weights"),
        (["separator.sources=[vocals,drums]"], "separator.sources=['vocals', 'drums']"),
        (["~separator.module._target_"], "separator.module has no _target_"),
    ],
)
def test_values_out_of_range_are_named(overrides, message):
    root = [] if not overrides else ["path.root=/data"]
    with pytest.raises(RecipeError) as caught:
        config_of(*root, *overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("separator.batch_size=0", "batch_size must be at least 1"),
        ("separator.segment=0.05", "0.05 s"),
        ("separator.overlap=-0.1", "overlap must be at least 0 s"),
        ("separator.sample_rate=0", "sample_rate must be positive"),
    ],
)
def test_settings_of_the_separator_are_refused_before_it_is_made(override, message):
    config = config_of(
        "path.root=/data", "separator=demucs", override, "separator.checkpoint=no.pt"
    )
    with pytest.raises(RecipeError, match=message):
        build_separator(config.separator)


def test_all_values_out_of_range_are_named_at_once():
    with pytest.raises(RecipeError) as caught:
        config_of("path.root=/d", "sample_rate=0", "nalr.nfir=0", "evaluate.batch=7")
    for key in ("sample_rate", "nalr.nfir", "evaluate.batch"):
        assert f"\n  {key}" in str(caught.value)


def test_a_plain_dictionary_is_checked_like_a_composed_configuration():
    plain = OmegaConf.create({"path": {"root": "/data"}, "sample_rate": "fast"})
    with pytest.raises(RecipeError, match="sample_rate"):
        as_config(plain)


def test_every_key_is_explained():
    rows = {row.key: row for row in describe(Config, defaults=compose_config("config"))}
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        composed = compose("config")

    def keys(node, prefix=""):
        for name in node:
            if OmegaConf.is_config(child := node._get_node(name)) and prefix + name not in rows:
                yield from keys(child, f"{prefix}{name}.")
            else:
                yield prefix + name

    assert set(keys(composed)) == set(rows)
    assert all(len(row.text) > 10 for row in rows.values())
    assert rows["path.exp_folder"].default == "exp/${separator.model}"
    assert rows["separator.device"].default == "null"


def test_a_broken_file_of_the_users_own_is_named(tmp_path):
    (tmp_path / "separator").mkdir()
    (tmp_path / "separator" / "mine.yaml").write_text("model: [")
    for arguments in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        (problem,) = command_line_problems([*arguments, "separator=mine"])
        assert "mine.yaml is not YAML" in problem
    (problem,) = command_line_problems(["--config-dir", "mime", "separator=mine"])
    assert problem == f"--config-dir mime: no such folder (looked for {Path('mime').absolute()})"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("separator.modl=x", "separator.modl: there is no such key; did you mean separator.model?"),
        ("device=cpu", "device: there is no such key; did you mean separator.device?"),
        ("n_wokers=2", "n_wokers: there is no such key; --help lists all keys"),
        ("-m n_wokers=2,3", "n_wokers: there is no such key; --help lists all keys"),
        ("nalr={nfir:3,fs:4}", "nalr.fs: there is no such key; "),
        ("hydra.foo=1", "hydra.foo: there is no such key; --cfg hydra lists Hydra's"),
        ("path=nowhere", "Could not find 'path/nowhere' (the data's folder is path.root=FOLDER): "),
        ("-m path=default,nowhere", "Could not find 'path/nowhere' (the data's folder is "),
        ("hydra/launcher=x", "Could not find 'hydra/launcher/x': there are basic, "),
        (
            "hydra/launcher=paralel",
            "Could not find 'hydra/launcher/paralel' (did you mean parallel?",
        ),
        ("-m separator=hpss,typo", "Could not find 'separator/typo': there are demucs, "),
        (
            "sample_rate=four",
            "Error merging override sample_rate=four: Value 'four' of type 'str' could not be "
            "converted to Integer (sample_rate: rate of the music",
        ),
        ("-m sample_rate=44100,four", "Error merging override sample_rate=four: Value 'four' of"),
        ("on_error=perhaps", "Error merging override on_error=perhaps: Invalid value 'perhaps', "),
        ("nalr=3", "Error merging override nalr=3: Invalid type assigned: int"),
        ("enhance", "cannot read 'enhance': it is neither key=value nor a flag; --help shows"),
        ("evaluate.batch={a", "cannot read 'evaluate.batch={a': a bracket or a quote is missing; "),
        ("evaluate.batch=1,2", "Ambiguous value for argument 'evaluate.batch=1,2': 1. To use it "),
        ("path.root=caf\udce9", "path.root='caf\\udce9' is not UTF-8 text: rename the file or"),
    ],
)
def test_what_cannot_be_composed_is_one_line(typed, message):
    for arguments in (typed.split(), ["path.root=/d", *typed.split(), "evaluate.batch_size=2"]):
        (problem,) = command_line_problems(translate_overrides(arguments))
        assert problem.startswith(message)
        assert "\n" not in problem


@pytest.mark.parametrize(
    "typed",
    [
        "separator.model=hpss",
        "separator=hpss separator.model=mine",
        "-m separator=hpss,oracle evaluate.batch=range(0,2000) evaluate.batch_size=2000",
        "-m separator=glob(*) hydra.sweep.dir=x",
        "hydra/launcher=parallel -m sample_rate=44100,48000",
        "path.exp_folder=${nothing}/x",
        "+colour=red",
        "--cfg job n_wokers=2",
        "--config-name=mine n_wokers=2",
    ],
)
def test_what_can_be_composed_or_is_elsewhere_goes_to_hydra(typed):
    assert not list(command_line_problems(translate_overrides(typed.split())))


def test_a_wrong_key_in_a_file_of_the_users_own_is_one_line(tmp_path):
    (tmp_path / "separator").mkdir()
    (tmp_path / "separator" / "mine.yaml").write_text("model: mine\nmodul: x")
    own = ["--config-dir", str(tmp_path)]
    for arguments in (["separator=mine"], ["-m", "separator=hpss,mine"]):
        (problem,) = command_line_problems([*own, *arguments])
        assert problem.startswith("In 'separator/mine': ")
        assert "Key 'modul' not in 'SeparatorConfig'" in problem
        assert "\n" not in problem


def test_who_asks_for_tracebacks_gets_hydras(monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert not list(command_line_problems(["n_wokers=2"]))


def test_a_misspelt_separator_is_one_line_with_the_choices(tmp_path):
    (tmp_path / "separator").mkdir()
    (tmp_path / "separator" / "mine.yaml").write_text("model: mine")
    (problem,) = command_line_problems(["path.root=/d", "separator=demuc"])
    known = "demucs, ensemble, hpss, masknet, openunmix, oracle, passthrough"
    assert problem.startswith("Could not find 'separator/demuc' (did you mean demucs?): ")
    assert f"there are {known}; --config-dir=FOLDER" in problem
    assert "\n" not in problem
    for name in ("null", "true", "3", "1e3"):
        (problem,) = command_line_problems([f"separator={name}"])
        assert problem.startswith(f"Could not find 'separator/{name}': there are ")
    own = ["--config-dir", str(tmp_path)]
    assert not list(command_line_problems([*own, "-m", "separator=mine,hpss"]))
    for typed in (own, [own[0], f"{tmp_path}/"], [f"--config-dir={tmp_path}/"]):
        (problem,) = command_line_problems([*typed, "separator=yours"])
        assert "masknet, mine, openunmix" in problem
    searched = [f"hydra.searchpath=[file://{tmp_path}]", "separator=mine"]
    assert not list(command_line_problems(searched))
