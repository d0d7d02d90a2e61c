"""The report: what the page holds, what lies beside it, and what it says when it cannot be made."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile

from clarity.enhancer.nalr import NALR
from clarity.separation.base import VDBO
from clarity.utils.audiogram import Audiogram
from recipes.cad_icassp_2024.baseline.reference import reference_for_listener
from recipes.cad_icassp_2024.baseline.report import report, report_file
from recipes.cad_icassp_2024.data.content import digest_of_file
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.pyclarity import apply_gains, apply_ha, remix_stems
from recipes.cad_icassp_2024.reporting import figures, plots
from recipes.cad_icassp_2024.reporting.audiograms import audiogram_plot, pure_tone_average
from recipes.cad_icassp_2024.reporting.page import gains_text, rate_text
from recipes.cad_icassp_2024.reporting.players import clipping_rate, find_extremes
from recipes.cad_icassp_2024.reporting.results import load_results
from recipes.cad_icassp_2024.runs.experiment import Experiment
from recipes.cad_icassp_2024.runs.records import Records, Result
from recipes.cad_icassp_2024.runs.score_table import row_digest, row_name
from recipes.cad_icassp_2024.runs.scores import DETAIL_COLUMNS, pair_key, read_scores, row_key
from recipes.cad_icassp_2024.runs.settings import MadeFrom
from tests.recipes.baseline.helpers import run_script
from tests.recipes.baseline.report_data import (
    load,
    make_experiment,
    rename_song,
    report_config,
)
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

HOSTILE = "</script><script>alert('$x$')</script> & \"Söhne\""


class PageReader(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.scripts, self.headings, self.images = [], [], [], [], []
        self._inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "data", "srcset")]
        if attributes.get("role") == "img":
            self.images.append(attributes["aria-label"])
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag == "h4":
            self.headings.append("")

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        if self._inside == "h4":
            self.headings[-1] += data

    def table(self, index):
        """Rows of a table as dictionaries."""
        table = json.loads(self.scripts[index])
        labels = [column["label"] for column in table["columns"]]
        return [dict(zip(labels, row, strict=True)) for row in table["rows"]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two songs, one of them with a name that wants to be markup; twelve pairs."""
    tiny = make_tiny_dataset(
        tmp_path_factory.mktemp("report data"),
        music=False,
        seconds=0.6,
        n_listeners_per_scene=3,
    )
    rename_song(tiny, "Song A", HOSTILE)
    return tiny


@pytest.fixture(scope="module")
def experiments(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exp")
    models = (("hpss", 0.4), ("oracle", 0.8))
    return [
        make_experiment(data, folder / model, model, mean, seed=index)
        for index, (model, mean) in enumerate(models)
    ]


@pytest.fixture
def folder(experiments, tmp_path):
    """A copy of an experiment that a test may spoil."""
    return shutil.copytree(experiments[0].folder, tmp_path / "again")


@pytest.fixture(scope="module")
def config(data, experiments):
    folders = ",".join(str(experiment.folder) for experiment in experiments)
    return report_config(data.root, f"report.folders=[{folders}]", "report.audio=true")


@pytest.fixture(scope="module")
def results(data, experiments):
    return load_results(load(data), [experiment.folder for experiment in experiments])


@pytest.fixture(scope="module")
def page_file(config):
    report(config)
    return report_file(config)


@pytest.fixture(scope="module")
def page(page_file):
    return PageReader(page_file.read_text(encoding="utf-8"))


def test_page_has_every_pair_with_its_scores(page, experiments):
    rows = page.table(1)
    shown = {(r["separator"], r["scene"], r["listener"]): r for r in rows}
    assert len(shown) == len(rows) == 24
    for experiment, model in zip(experiments, ("hpss", "oracle"), strict=True):
        with (experiment.folder / "scores.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                found = shown.pop((model, row["scene"], row["listener"]))
                assert f"{found['song']}-{found['head position']}" == row["song"]
                for name in ("left", "right"):
                    assert found[name] == pytest.approx(float(row[f"{name}_score"]), abs=1e-6)
                assert found["score"] == pytest.approx(float(row["score"]), abs=1e-6)
    assert not shown


def test_song_table_has_means(page, results):
    rows = {row["song"]: row for row in page.table(0)}
    assert set(rows) == {HOSTILE, "Song B"}
    for song, row in rows.items():
        scores = results.scores[results.scores["song"] == song]
        means = {s: scores[scores["separator"] == s]["score"].mean() for s in ("hpss", "oracle")}
        assert row["pairs"] == 6
        assert row["hpss"] == pytest.approx(means["hpss"], abs=1e-6)
        assert row["oracle"] == pytest.approx(means["oracle"], abs=1e-6)
        difference = row["oracle \N{MINUS SIGN} hpss"]
        assert difference == pytest.approx(means["oracle"] - means["hpss"], abs=2e-6)


def test_names_are_text_never_markup(page, page_file):
    assert len(page.scripts) == 3  # two tables and the code
    assert HOSTILE in page.headings
    assert "<script>alert" not in page_file.read_text(encoding="utf-8")


def test_page_needs_nothing_but_what_lies_beside_it(page, page_file):
    beside = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert beside
    for link in beside:
        assert not link.startswith(("http", "//", "/", ".."))
        assert (page_file.parent / unquote(link)).is_file()
    text = page_file.read_text(encoding="utf-8")
    for word in ("@import", "url(http", "fetch(", "http://", "https://"):
        assert word not in text.replace("http://www.w3.org/", "")


def test_ids_are_unique_and_references_lead_somewhere(page, page_file):
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
    assert "#0102" not in page_file.read_text(encoding="utf-8")  # a colour nobody turned


def test_every_image_has_words_for_it(page):
    assert all(len(label) > 20 for label in page.images)
    assert any(label.startswith("Histograms of scores. hpss: median 0.4") for label in page.images)


def test_plots_lie_beside_the_page(page_file):
    files = page_file.with_name("report_files")
    names = {path.stem for path in files.glob("*.png")}
    drawn = {"distribution", "severity", "pure_tone_average", "gain", "left_right"}
    assert names == drawn | {f"audiogram_L000{n}" for n in (1, 2, 3)}
    for path in files.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert not list(files.rglob(".*"))


def test_the_same_scores_make_the_same_page(page_file, config, monkeypatch):
    monkeypatch.setattr(figures.Plot, "write_png", lambda plot, folder: None)
    first = page_file.read_bytes()
    report(config)
    assert page_file.read_bytes() == first


def test_extremes_are_ordered_and_apart(results):
    for separator in results.separators:
        both = find_extremes(results, separator)
        assert list(both) == ["worst", "best"]
        worst, best = ([example.score for example in end] for end in both.values())
        assert (len(worst), len(best)) == (6, 6)
        assert worst == sorted(worst)
        assert best == sorted(best, reverse=True)
        assert worst[-1] < best[-1]
        assert len({example.pair.id for end in both.values() for example in end}) == 12
    three = find_extremes(results, "hpss", n_shown=3)
    lowest = results.of("hpss")["score"].nsmallest(3)
    assert [example.score for example in three["worst"]] == lowest.tolist()


def test_clipping_rate_counts_samples_at_full_scale(tmp_path):
    samples = np.zeros((1000, 2), dtype=np.int16)
    samples[:7, 0] = 32767
    samples[500:505, 1] = -32768
    samples[600:700] = 32766
    samples[700:800] = -32767
    path = tmp_path / "clipped.flac"
    soundfile.write(path, samples, 32000, subtype="PCM_16")
    assert clipping_rate(path) == 12 / 2000
    assert clipping_rate(tmp_path / "missing.flac") is None
    path.write_bytes(b"no FLAC")
    with pytest.raises(RecipeError, match=r"clipped\.flac: cannot be read as audio"):
        clipping_rate(path)


def test_reference_is_the_amplified_remix_of_the_true_stems(data, config):
    dataset = load(data)
    pair = dataset.pairs[4]
    assert any(pair.scene.gains_db.values())
    stems = {name: dataset.read_music(pair.scene, name, 44100) for name in VDBO}
    mixture = dataset.read_music(pair.scene, "mixture", 44100)
    remix = remix_stems(apply_gains(stems, 44100, pair.scene.gains_db), mixture, 44100)
    found = reference_for_listener(config, dataset, pair)
    audiograms = (pair.listener.audiogram_left, pair.listener.audiogram_right)
    for ear, audiogram in enumerate(audiograms):
        expected = apply_ha(NALR(220, 44100), None, remix[:, ear], audiogram)
        np.testing.assert_allclose(found[:, ear], expected, atol=1e-12)


def test_sounds_are_what_they_are_called(page_file, results, config):
    audio = page_file.with_name("report_files") / "audio"
    pairs = results.dataset.pairs
    names = {f"{pair.id}_{what}.flac" for pair in pairs for what in ("reference", "enhanced_1")}
    names |= {f"{pair.id}_enhanced_2.flac" for pair in pairs}
    names |= {f"{scene}_mixture.flac" for scene in results.dataset.scenes}
    assert {path.name for path in audio.iterdir()} == names
    pair = pairs[0]
    for number, name in enumerate(results.separators, start=1):
        source = results.experiments[name].signal_file(pair)
        copy = audio / f"{pair.id}_enhanced_{number}.flac"
        assert copy.read_bytes() == source.read_bytes()
    mixture, _ = soundfile.read(audio / f"{pair.scene.id}_mixture.flac", dtype="int16")
    original = results.dataset.music_file(pair.scene, "mixture")
    np.testing.assert_array_equal(mixture, soundfile.read(original, dtype="int16")[0])
    reference, rate = soundfile.read(audio / f"{pair.id}_reference.flac")
    expected = reference_for_listener(config, results.dataset, pair)
    gain = min(1, 32767 / 32768 / np.abs(expected).max())
    assert rate == 44100
    np.testing.assert_allclose(reference, gain * expected, atol=2**-15)


def test_without_sounds_there_are_no_players(data, experiments, results, tmp_path):
    output = tmp_path / "elsewhere" / "page.html"
    config = report_config(
        data.root, f"path.exp_folder={experiments[0].folder}", f"report.output={output}"
    )
    report(config)
    text = output.read_text(encoding="utf-8")
    assert "<audio" not in text
    assert f"hpss scores {results.of('hpss')['score'].mean():.3f} on average" in text
    assert "Paired differences" not in text
    assert (tmp_path / "elsewhere" / "page_files" / "gain.png").is_file()
    assert not (tmp_path / "elsewhere" / "page_files" / "audio").exists()


# --- plots


def lines(axes):
    """Points of the lines of an axes, by label."""
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_plots_show_all_scores_that_haaqi_gives(results):
    """From 0 to 1, and marks at either end are whole."""
    (axes,) = plots.distribution(results).draw(figures.PAPER).axes
    assert axes.get_xlim() == (0, 1)
    for plot in (plots.severity, plots.pure_tone, plots.gain, plots.left_right):
        for axes in plot(results).draw(figures.PAPER).axes:
            assert axes.get_ylim() == pytest.approx((-0.02, 1.02), abs=1e-12)
    assert axes.get_xlim() == pytest.approx((-0.02, 1.02), abs=1e-12)


def test_severity_plot_shows_means_of_ears(results):
    (axes,) = plots.severity(results).draw(figures.PAPER).axes
    ears = results.ears()
    labels = [label.get_text().split("\n")[0] for label in axes.get_xticklabels()]
    assert labels == ["mild", "moderate", "severe"]
    for name in results.separators:
        rows = ears[ears["separator"] == name]
        expected = [rows[rows["severity"] == s.upper()]["score"].mean() for s in labels]
        np.testing.assert_allclose(lines(axes)[name][:, 1], expected)


def test_gain_plot_shows_means_of_pairs(results):
    for axes, stem in zip(plots.gain(results).draw(figures.PAPER).axes, VDBO, strict=True):
        means = results.of("oracle").groupby(stem)["score"].mean()
        points = lines(axes)["oracle"]
        np.testing.assert_allclose(points[:, 1], means)
        np.testing.assert_allclose(points[:, 0], means.index, atol=0.5)


def write_details(folder, rows):
    """Details in which CepHigh falls by 0.3 a class of loss and Dloud by 0.5 where it clips."""
    table = pd.DataFrame({name: rows[name] for name in ("scene", "listener")}).assign(song="")
    order = ("NOTHING", "MILD", "MODERATE", "SEVERE")
    clips = np.arange(len(rows)) % 3 == 0
    for ear in ("left", "right"):
        loss = rows[f"{ear}_severity"].map(order.index)
        table[f"{ear}_CepHigh"] = 0.95 - 0.3 * loss
        table[f"{ear}_BMsync5"] = 0.6
        table[f"{ear}_Dloud"] = np.where(clips, 0.3, 0.8)
        table[f"{ear}_Dnorm"] = 0.7
    table["clipped_share"] = np.where(clips, 0.005, 0.0)
    table = table.reindex(columns=DETAIL_COLUMNS).fillna(0.5)
    table.to_csv(folder / "scores_details.csv", index=False)


def test_parts_plots_say_what_falls_with_loss_and_with_clipping(data, folder, results, monkeypatch):
    assert plots.parts_plots(results) == []
    write_details(folder, results.of("hpss"))
    detailed = load_results(load(data), [folder])
    by_loss, by_clipping = plots.parts_plots(detailed)
    assert by_loss.caption.endswith(
        "From mild to severe (hearing loss) CepHigh falls most, by 0.60."
    )
    assert by_clipping.caption.endswith("From none to ≤ 1 % (clipping) Dloud falls most, by 0.50.")
    panels = {axes.get_title(loc="left"): axes for axes in by_loss.draw(figures.PAPER).axes}
    np.testing.assert_allclose(lines(panels["CepHigh"])["hpss"][:, 1], [0.65, 0.35, 0.05])
    np.testing.assert_allclose(lines(panels["Dnorm"])["hpss"][:, 1], 0.7)
    for features in ((), ("CepHigh",), ("CepHigh", "Dloud", "Dnorm")):  # as of another metric
        monkeypatch.setattr(plots, "FEATURES", features)
        for plot in plots.parts_plots(detailed):
            panels = plot.draw(figures.PAPER).axes
            assert [axes.get_title(loc="left") for axes in panels] == list(features)
            assert len(lines(panels[-1])["hpss"]) in (2, 3)
        assert len(plots.parts_plots(detailed)) == (2 if features else 0)
    ends = find_extremes(detailed, "hpss").values()
    rates = {example.clipping_rate for end in ends for example in end}
    assert rates == {0.0, 0.005}


def test_many_separators_with_long_strange_names_fit_without_warnings(
    own_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(figures, "DPI", 50)
    monkeypatch.setattr("recipes.cad_icassp_2024.reporting.means.N_RESAMPLES", 20)
    names = [f"separator 分離 number {n}" for n in range(8)]
    folders = [tmp_path / name[-1] for name in names]
    for n, folder in enumerate(folders):
        make_experiment(own_tiny, folder, names[n], 0.3 + 0.05 * n, seed=n, signals=False)
    dataset = load(own_tiny)
    without_details = load_results(dataset, folders)
    for name, folder in zip(names, folders, strict=True):
        write_details(folder, without_details.of(name))
    many = load_results(dataset, folders)
    shown = plots.report_plots(many)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for plot in shown:
            plot.write_png(tmp_path / "plots")
            assert names[7] in plot.svg()
    by_name = {plot.name: plot for plot in shown}
    (left_right,) = by_name["left_right"].draw(figures.PAPER).axes
    for name in names:
        means = many.of(name)[["left_score", "right_score"]].mean()
        np.testing.assert_allclose(lines(left_right)[name], [means])
    legend = by_name["parts_severity"].draw(figures.PAPER).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == names[2:]
    colours = {line.get_label(): line.get_color() for line in left_right.get_lines()}
    for handle in legend.legend_handles:
        assert handle.get_color() == colours[handle.get_label()]


def test_left_right_plot_shows_every_pair(results):
    (axes,) = plots.left_right(results).draw(figures.PAPER).axes
    for name, points in zip(results.separators, axes.collections, strict=True):
        expected = results.of(name)[["left_score", "right_score"]]
        np.testing.assert_array_equal(points.get_offsets(), expected)


def test_audiograms_show_both_ears_with_loss_downwards(results):
    for listener in results.dataset.listeners.values():
        (axes,) = audiogram_plot(listener).draw(figures.PAPER).axes
        drawn = lines(axes)
        np.testing.assert_array_equal(drawn["left"][:, 1], listener.audiogram_left.levels)
        np.testing.assert_array_equal(drawn["right"][:, 1], listener.audiogram_right.levels)
        assert axes.yaxis_inverted()


def test_svg_keeps_strange_names_apart(results):
    plot = audiogram_plot(results.dataset.listeners["L0001"])
    names = ("a b", "a_b", 'a"b')
    texts = [replace(plot, name=n, alternative='a "quoted" <label>').svg() for n in names]
    ids = [set(PageReader(text).ids) for text in texts]
    assert ids[0] and not ids[0] & ids[1] and not ids[0] & ids[2]
    assert PageReader(texts[0]).images == ['a "quoted" <label>']


def test_pure_tone_average():
    audiogram = Audiogram([10, 20, 30, 90, 40, 50], [250, 500, 1000, 1500, 2000, 4000])
    assert pure_tone_average(audiogram) == pytest.approx((20 + 30 + 40 + 50) / 4)


def test_words_for_gains_and_rates():
    assert gains_text({"vocals": 6.0, "drums": 0.0, "bass": -10.0, "other": 0.0}) == (
        "vocals +6, bass \N{MINUS SIGN}10 dB"
    )
    assert gains_text(dict.fromkeys(VDBO, 0.0)) == "none"
    rates = (0, 1e-5, 0.0123, 0.5)
    assert [rate_text(rate) for rate in rates] == ["0 %", "0.001 %", "1.2 %", "50 %"]


# --- several folders, and folders that are not as they should be


def edit(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the scores."""
    path = folder / "scores.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def record(folder: Path, settings: list[str], data: TinyDataset) -> None:
    """Write the records of the first rows of scores."""
    dataset = load(data)
    pairs = {pair_key(pair): pair for pair in dataset.pairs}
    metadata = MadeFrom(dataset, (), {}).metadata
    with Records(folder / "records") as records:
        for row, setting in zip(read_scores(folder / "scores.csv"), settings, strict=False):
            pair = pairs[row_key(row)]
            signal = digest_of_file(Experiment(folder).signal_file(pair))
            made_from = {"settings": setting, "signals": signal, **metadata(pair)}
            records.add(Result(row_name(row_key(row)), row_digest(row), made_from))


def test_equal_separators_are_told_apart_by_their_folders(data, experiments, folder):
    results = load_results(load(data), [experiments[0].folder, folder])
    assert results.separators == ["hpss (hpss)", "hpss (again)"]


def test_a_folder_without_a_record_is_named_after_itself(data, experiments, tmp_path):
    folder = tmp_path / "from elsewhere"
    folder.mkdir()
    shutil.copyfile(experiments[0].folder / "scores.csv", folder / "scores.csv")
    results = load_results(load(data), [folder])
    assert results.separators == ["from elsewhere"]
    assert find_extremes(results, "from elsewhere")["worst"][0].clipping_rate is None


@pytest.mark.parametrize("score", ["nan", "-1.5", "7"])
def test_rows_that_are_no_scores_are_left_out_and_counted(data, folder, caplog, score):
    edit(folder, lambda rows: [*rows[:3], f"{rows[3].rpartition(',')[0]},{score}", *rows[4:]])
    results = load_results(load(data), [folder])
    assert (len(results.scores), results.n_left_out) == (11, 1)
    assert "1 rows are left out: their scores are no numbers from -1 to 1.1" in caplog.text


SWAPPED = ("left_score,right_score", "right_score,left_score")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, r"scores\.csv: no such file; run evaluate\.py with path\.exp_folder="),
        (lambda rows: rows[:1], r"scores\.csv holds no scores: run evaluate\.py"),
        (lambda rows: [*rows, rows[1]], r"has scene_10001 with L0001 more than once"),
        (
            lambda rows: [row.replace("scene_10001", "scene_99999") for row in rows],
            r"scene scene_99999 is not in the metadata of split 'train'",
        ),
        (
            lambda rows: [rows[0].replace(*SWAPPED), *rows[1:]],
            r"scores\.csv: has the columns .*'right_score', 'left_score'",
        ),
        (lambda rows: rows[1:], r"scores\.csv: has the columns \['scene_10001'"),
    ],
)
def test_message_for_a_folder_without_usable_scores(data, folder, change, message):
    if change is None:
        (folder / "scores.csv").unlink()
    else:
        edit(folder, change)
    with pytest.raises(RecipeError, match=message):
        load_results(load(data), [folder])


def test_message_for_batches_that_were_not_merged(data, folder):
    (folder / "scores.csv").rename(folder / "scores_1-2.csv")
    message = r"there is scores_1-2\.csv: join the batches with merge_batches_results\.py"
    with pytest.raises(RecipeError, match=message):
        load_results(load(data), [folder])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["one"] * 5 + ["another"] * 7, r"origin: 5 of 12 scores were made from other settings"),
        (["one"] * 11, r"origin: 1 of 12 scores have no record"),
    ],
)
def test_scores_of_different_origin_are_refused(data, folder, settings, message):
    record(folder, settings, data)
    with pytest.raises(RecipeError, match=f"different {message}"):
        load_results(load(data), [folder])


def test_scores_of_one_origin_are_shown_but_refused_when_all_were_changed_since(data, folder):
    record(folder, ["one"] * 12, data)
    assert len(load_results(load(data), [folder]).scores) == 12
    pd.read_csv(folder / "scores.csv").round(3).to_csv(folder / "scores.csv", index=False)
    with pytest.raises(RecipeError, match=r"different origin: 12 of 12 scores have no record"):
        load_results(load(data), [folder])


def test_a_pair_that_is_none_of_the_data_set_is_refused(own_tiny, tmp_path):
    experiment = make_experiment(own_tiny, tmp_path / "exp", "hpss", 0.5, signals=False)
    path = own_tiny.metadata / f"scene_listeners.{own_tiny.split}.json"
    pairs = json.loads(path.read_text())
    left_out = pairs["scene_10001"].pop()
    path.write_text(json.dumps(pairs))
    with pytest.raises(RecipeError, match=f"scene_10001 with {left_out} is not in the metadata"):
        load_results(load(own_tiny), [experiment.folder])


def test_message_for_folders_that_are_there_twice_or_not_at_all(data, folder):
    with pytest.raises(RecipeError, match=r"is given twice: correct report\.folders"):
        load_results(load(data), [folder, folder])
    with pytest.raises(RecipeError, match=r"no such folder; name experiment folders with"):
        load_results(load(data), [folder / "nowhere"])


def test_script_prints_the_table_and_where_the_page_is(data, experiments, tmp_path):
    copies = [tmp_path / "exp" / experiment.folder.name for experiment in experiments]
    for experiment, copy in zip(experiments, copies, strict=True):
        shutil.copytree(experiment.folder, copy)
    done = run_script(
        "report.py", f"path.root={data.root}", "report.folders=[exp/hpss,exp/oracle]", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert "separator   pairs    mean   95 % interval" in output
    assert str(tmp_path / "exp" / "hpss" / "report.html") in output
    assert (tmp_path / "exp" / "hpss" / "report.html").is_file()


def test_script_says_what_to_do_when_there_is_nothing(data, tmp_path):
    done = run_script("report.py", f"path.root={data.root}", cwd=tmp_path)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "report.folders=[exp/hpss,exp/oracle]" in output
    assert "Traceback" not in output
