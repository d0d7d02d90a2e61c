"""The report in a real browser: no errors, tables that sort and filter, sounds that load."""

from __future__ import annotations

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from recipes.cad_icassp_2024.baseline.report import report, report_file
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


def show(browser, page_file, width=1280, scheme="light"):
    """Open the page afresh on a screen of a width, for a taste for light or dark."""
    for command, parameters in (
        (
            "setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        ),
        ("setScrollbarsHidden", {"hidden": True}),
        ("setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
    ):
        browser.execute_cdp_cmd(f"Emulation.{command}", parameters)
    browser.get("about:blank")
    browser.get(page_file.resolve().as_uri())


@pytest.fixture
def page(browser, page_file):
    show(browser, page_file)
    return browser


def click(page, selector):
    page.find_element(By.CSS_SELECTOR, selector).click()


def type_into(page, selector, text):
    field = page.find_element(By.CSS_SELECTOR, selector)
    field.clear()
    field.send_keys(text)


def column(page, table, index):
    return page.execute_script(COLUMN, table, index)


def numbers(page, table, index):
    return [float(text) for text in column(page, table, index)]


def count(page, table):
    return page.find_element(By.CSS_SELECTOR, f"#{table} .count").text


def sorting(page, table):
    script = f"return [...document.querySelectorAll('#{table} th')].map((th) => th.ariaSort)"
    return page.execute_script(script)


def test_console_stays_empty(page):
    click(page, "#songs th:nth-child(1) button")
    type_into(page, "#pairs-filter", "oracle")
    click(page, "details summary")
    assert page.get_log("browser") == []


def test_console_would_tell(page):
    page.execute_script("setTimeout(() => { throw new Error('broken'); }, 0)")
    page.execute_script("console.error('so it goes')")
    messages = " ".join(entry["message"] for entry in page.get_log("browser"))
    assert "broken" in messages and "so it goes" in messages


def test_song_table_sorts_both_ways_by_mouse_and_keyboard(page):
    click(page, "#songs th:nth-child(3) button")
    values = numbers(page, "songs", 2)
    assert len(values) == 12 and values == sorted(values)
    click(page, "#songs th:nth-child(3) button")
    assert numbers(page, "songs", 2) == values[::-1]
    assert sorting(page, "songs") == ["none", "none", "descending", "none", "none"]
    page.find_element(By.CSS_SELECTOR, "#songs th:nth-child(1) button").send_keys(Keys.ENTER)
    names = column(page, "songs", 0)
    assert names == sorted(names) and sorting(page, "songs")[0] == "ascending"


def test_song_table_filters(page):
    assert count(page, "songs") == "12 rows"
    type_into(page, "#songs-filter", "song c")
    assert column(page, "songs", 0) == ["Song C"]
    assert count(page, "songs") == "1 of 12 rows"
    type_into(page, "#songs-filter", "no such song")
    assert column(page, "songs", 0) == []


def test_pair_table_filters_by_words_sorts_and_shows_more(page):
    assert count(page, "pairs") == "216 rows"
    assert len(column(page, "pairs", 0)) == 50
    type_into(page, "#pairs-filter", "demucs L0002")
    assert count(page, "pairs") == "24 of 216 rows"
    assert set(column(page, "pairs", 0)) == {"demucs"}
    click(page, "#pairs th:nth-child(2) button")
    scores = numbers(page, "pairs", 1)
    assert len(scores) == 24 and scores == sorted(scores)
    type_into(page, "#pairs-filter", "demucs ")
    click(page, "#pairs .more")
    scores = numbers(page, "pairs", 1)
    assert len(scores) == 72 and scores == sorted(scores)
    assert not page.find_element(By.CSS_SELECTOR, "#pairs .more").is_displayed()


def test_players_have_sounds(page):
    lengths = page.execute_async_script(LOAD_SOUNDS)
    assert len(lengths) == 3 * 20 * 3  # separators, pairs, sounds
    assert all(isinstance(length, float) for length in lengths), lengths
    assert all(0.45 < length < 0.65 for length in lengths)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_is_no_wider_than_the_screen(browser, page_file, width):
    show(browser, page_file, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # Plots fill their frames and their text can be read.
    sizes = browser.execute_script(
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
    show(browser, page_file, scheme=scheme)
    for selector, ground in (
        (".plot svg text", ".plot"),
        (".plot figcaption", ".plot"),
        (".card :is(h4, p, th, td, dt, dd, strong, figcaption, small)", ".card"),
        (".definitions text", ".card"),
        (".summary th, .summary td", "section > .scroll"),
        ("h1, .lead, .note, footer dt", "body"),
    ):
        behind = luminance(browser.execute_script(GROUND, ground))
        assert (behind < 0.05) == (scheme == "dark")
        colours = {tuple(colour) for colour in browser.execute_script(COLOURS, selector)}
        assert colours
        for colour in colours:
            low, high = sorted((behind, luminance(colour)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (selector, colour)


def test_page_asks_for_nothing_from_outside(page):
    names = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in names if not re.match(r"(file|data):", name)] == []
