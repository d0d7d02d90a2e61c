"""The report in a real browser: no errors, tables that sort and filter, sounds that load."""

from __future__ import annotations

import re

import pytest

from recipes.cad_icassp_2024.baseline.report import report, report_file
from tests.recipes.baseline.browser import missing_program, open_browser
from tests.recipes.baseline.report_data import make_experiment, quoted, report_config
from tests.recipes.tiny_dataset import make_tiny_dataset

pytestmark = pytest.mark.slow

# Loads the sounds of all players; gives their lengths in seconds, or what went wrong.
LOAD_SOUNDS = """
const done = arguments[arguments.length - 1];
const players = [...document.querySelectorAll("audio")];
Promise.all(players.map((player) => new Promise((resolve) => {
  player.onloadedmetadata = () => resolve(player.duration);
  player.onerror = () => resolve(`${player.src}: ${player.error.message}`);
  player.preload = "metadata";
  player.load();
}))).then(done);
"""
COLUMN = """
const [table, column] = arguments;
const rows = [...document.querySelectorAll(`#${table} tbody tr`)];
return rows.map((row) => row.cells[column].innerText);
"""
# Colours as the browser shows them, as [red, green, blue].
COLOURS = """
const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
const texts = document.querySelectorAll(arguments[0]);
return [...texts].map((text) => {
  const style = getComputedStyle(text);
  return rgb(text instanceof SVGElement ? style.fill : style.color);
});
"""
GROUND = """
const style = getComputedStyle(document.querySelector(arguments[0]));
return style.backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number);
"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder, 100% #1 of its kind?")
    data = make_tiny_dataset(
        folder / "data", music=False, seconds=0.6, n_songs=12, n_listeners_per_scene=3
    )
    for seed, (model, mean) in enumerate((("hpss", 0.4), ("demucs", 0.6), ("oracle", 0.8))):
        make_experiment(data, folder / "exp" / model, model, mean, seed=seed)
    folders = [quoted(folder / "exp" / model) for model in ("hpss", "demucs", "oracle")]
    config = report_config(data.root, f"report.folders=[{','.join(folders)}]", "report.audio=true")
    report(config)
    return report_file(config)


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    missing = missing_program()
    if missing:
        pytest.skip(f"{missing} is not installed")
    with open_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(window, page_file):
    window.show_as(1280, 900, "light")
    window.open(page_file)
    return window


def column(browser, table, index):
    return browser.run(COLUMN, table, index)


def count(browser, table):
    return browser.run(f"return document.querySelector('#{table} .count').innerText")


def test_console_stays_empty(browser):
    browser.click("#songs th:nth-child(1) button")
    browser.type("#pairs-filter", "oracle")
    browser.click("details summary")
    assert browser.console() == []


def test_console_would_tell(browser):
    browser.run("setTimeout(() => { throw new Error('broken'); }, 0)")
    browser.run("console.error('so it goes')")
    messages = " ".join(entry["message"] for entry in browser.console())
    assert "broken" in messages and "so it goes" in messages


def test_song_table_sorts_both_ways(browser):
    browser.click("#songs th:nth-child(3) button")
    values = [float(text) for text in column(browser, "songs", 2)]
    assert len(values) == 12
    assert values == sorted(values)
    browser.click("#songs th:nth-child(3) button")
    assert [float(text) for text in column(browser, "songs", 2)] == values[::-1]
    sorts = "return [...document.querySelectorAll('#songs th')].map((th) => th.ariaSort)"
    assert browser.run(sorts) == ["none", "none", "descending", "none", "none"]
    browser.click("#songs th:nth-child(1) button")
    names = column(browser, "songs", 0)
    assert names == sorted(names)


def test_song_table_filters(browser):
    assert count(browser, "songs") == "12 rows"
    browser.type("#songs-filter", "song c")
    assert column(browser, "songs", 0) == ["Song C"]
    assert count(browser, "songs") == "1 of 12 rows"
    browser.type("#songs-filter", "no such song")
    assert column(browser, "songs", 0) == []


def test_pair_table_filters_by_words_sorts_and_shows_more(browser):
    assert count(browser, "pairs") == "216 rows"
    assert len(column(browser, "pairs", 0)) == 50
    browser.type("#pairs-filter", "demucs L0002")
    assert count(browser, "pairs") == "24 of 216 rows"
    assert set(column(browser, "pairs", 0)) == {"demucs"}
    browser.click("#pairs th:nth-child(2) button")
    scores = [float(text) for text in column(browser, "pairs", 1)]
    assert len(scores) == 24 and scores == sorted(scores)
    browser.type("#pairs-filter", "demucs ")
    browser.click("#pairs .more")
    scores = [float(text) for text in column(browser, "pairs", 1)]
    assert len(scores) == 72 and scores == sorted(scores)
    assert not browser.run("return document.querySelector('#pairs .more').checkVisibility()")


def test_keyboard_sorts(browser):
    browser.run("document.querySelector('#songs th:nth-child(2) button').focus()")
    element = browser.send("GET", "element/active")
    browser.send("POST", f"element/{next(iter(element.values()))}/value", {"text": "\ue007"})
    assert browser.run("return document.querySelectorAll('#songs th')[1].ariaSort") == "ascending"


def test_players_have_sounds(browser):
    lengths = browser.run_async(LOAD_SOUNDS)
    assert len(lengths) == 3 * 20 * 3  # separators, pairs, sounds
    assert all(isinstance(length, float) for length in lengths), lengths
    assert all(0.45 < length < 0.65 for length in lengths)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_is_no_wider_than_the_screen(browser, page_file, width):
    browser.show_as(width, 800, "light")
    browser.open(page_file)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    # Plots fill their frames and their text can be read.
    sizes = browser.run(
        "return [...document.querySelectorAll('.plot svg text')]"
        ".map((text) => text.getBoundingClientRect().height)"
    )
    assert len(sizes) > 50
    assert min(sizes) > 7


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    parts = [value / 255 for value in colour]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser, page_file, scheme):
    browser.show_as(1280, 900, scheme)
    browser.open(page_file)
    for selector, ground in (
        (".plot svg text", ".plot"),
        (".plot figcaption", ".plot"),
        (".card :is(h4, p, th, td, dt, dd, strong, figcaption, small)", ".card"),
        (".definitions text", ".card"),
        (".summary th, .summary td", "section > .scroll"),
        ("h1, .lead, .note, footer dt", "body"),
    ):
        behind = luminance(browser.run(GROUND, ground))
        assert (behind < 0.05) == (scheme == "dark")
        colours = {tuple(colour) for colour in browser.run(COLOURS, selector)}
        assert colours
        for colour in colours:
            low, high = sorted((behind, luminance(colour)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (selector, colour)


def test_page_asks_for_nothing_from_outside(browser):
    names = browser.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in names if not re.match(r"(file|data):", name)] == []
