"""The documentation: what it shows of README, its figures, its pages in a browser, notebooks."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

# What a page has loaded from elsewhere, and its links into the site.
LOADED = "return performance.getEntriesByType('resource').map((entry) => entry.name);"
LINKS = "return [...document.querySelectorAll('a[href], img[src]')].map((e) => e.href || e.src);"
NAMES = "return [...document.querySelectorAll('[id]')].map((e) => e.id);"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_section_of_readme_is_on_a_page():
    hooks = load("hooks")
    texts = (path.read_text(encoding="utf-8") for path in (DOCS / "pages").rglob("*.md"))
    filled = "\n".join(map(hooks.on_page_markdown, texts))
    assert "<!-- re" not in filled
    sections = re.split(r"^## .*$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    for section in sections[1:]:
        assert section.strip().splitlines()[-1] in filled


def test_the_table_of_stages_is_that_of_the_ear_model():
    rows = load("hooks").stages().splitlines()
    assert rows[0].startswith("| stage | function here |")
    assert any(row.startswith("| middle ear | `middle_ear.middle_ear` |") for row in rows)
    assert {row.count("|") for row in rows} == {6}


def test_figures_show_what_the_model_computes():
    figures = load("figures")
    assert all("<svg" in drawing for drawing in figures.draw_all().values())
    # A gammatone of fourth order is 12 dB down at its bandwidth from the centre, 1.019 ERB.
    centre_hz = figures.centre_frequencies_hz()[3]
    shown_hz, gain_db = figures.filters().axes[0].get_lines()[0].get_data()
    edge_hz = centre_hz + 1.019 * (24.7 + centre_hz / 9.26449)
    assert np.interp([centre_hz, edge_hz], shown_hz, gain_db) == pytest.approx([0, -12.04], abs=0.1)
    axes = figures.compression().axes[0]
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    normal, n4 = lines["normal hearing"], lines["N4 (moderate to severe)"]
    # Below 30 dB SPL a healthy ear adds nothing to its threshold; N4 lacks 55 dB at 1 kHz, of which
    # outer hair cells account for what their gain was.
    assert normal[normal[:, 0] == 20, 1] == pytest.approx(20)
    assert n4[n4[:, 0] == 20, 1] == pytest.approx(
        20 - figures.loss_of(figures.EARS[list(lines)[3]]).ohc_db[figures.nearest_band(1000)]
    )
    assert set(re.findall(r"figures/(\w+)\.svg", (DOCS / "pages" / "haaqi.md").read_text())) == set(
        figures.FIGURES
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--config-file", str(DOCS / "mkdocs.yml"), "--site-dir", str(folder)),
        ],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    return folder


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_pages_open_without_errors_dead_links_or_anything_from_elsewhere(site, served, browser):
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert len(pages) > 15
    links, names = {}, {}
    for page in sorted(pages):
        browser.get(f"{served}/{page}")
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        assert [url for url in browser.execute_script(LOADED) if not url.startswith(served)] == []
        links[page] = browser.execute_script(LINKS)
        names[page] = set(browser.execute_script(NAMES))
    dead = set()
    for page in pages - {"404.html"}:
        for link in links[page]:
            url, anchor = urldefrag(link)
            if not url.startswith(served):
                continue
            target = unquote(url.removeprefix(f"{served}/")) or "index.html"
            if not (site / target).is_file() or (
                anchor and target in names and unquote(anchor) not in names[target]
            ):
                dead.add((page, link))
    assert dead == set()


@pytest.mark.slow
def test_pages_name_nothing_to_load_from_elsewhere(site):
    text = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    loads = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(https?://[^\" >]+)", text)
    assert loads == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["haaqi_stage_by_stage", "own_separator"])
def test_a_notebook_runs(name, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider"),
            *("-o", "addopts=", f"--confcutdir={DOCS}", str(DOCS / "notebooks" / f"{name}.ipynb")),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_citation_is_of_this_version():
    from clarity import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert citation["preferred-citation"]["doi"] in readme
