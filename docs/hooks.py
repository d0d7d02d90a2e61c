"""What the pages are made of besides their own words: README, notebooks, figures of the stages.

A page says ``<!-- readme: Real data -->`` where a section of README goes, ``<!-- file: NAME -->``
for a whole file at the top of the repository, ``<!-- notebook: NAME -->`` for a notebook in
``notebooks/``, ``<!-- stages -->`` for the table of the ear model's stages, and
``<!-- rest of readme -->`` for the sections of README that no page asks for.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

_MARK = re.compile(
    r"^<!-- (readme|file|notebook|stages|rest of readme):? ?(.*?) -->$", re.MULTILINE
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in what a page asks for."""
    fill = {
        "readme": readme_section,
        "file": top_file,
        "notebook": notebook,
        "stages": lambda _: stages(),
        "rest of readme": lambda _: rest_of_readme(),
    }
    return _MARK.sub(lambda mark: fill[mark[1]](mark[2]), markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Draw the figures and add them to the site."""
    spec = importlib.util.spec_from_file_location("figures", HERE / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    for name, content in figures.draw_all().items():
        files.append(File.generated(config, f"figures/{name}.svg", content=content))
    return files


def readme() -> dict[str, str]:
    """Return README's sections by heading, the headings in them one level up.

    ``top`` is what comes before the first heading.
    """
    text = _without_title((ROOT / "README.md").read_text(encoding="utf-8"))
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    sections = dict(zip(["top", *parts[1::2]], parts[0::2], strict=True))
    return {
        title: re.sub(r"^##(#+ )", r"#\1", body, flags=re.MULTILINE).strip()
        for title, body in sections.items()
    }


def readme_section(title: str) -> str:
    """Return a section of README without its heading."""
    if title not in readme():
        raise KeyError(f"README.md has no section {title!r}, which a page of docs/ shows")
    return readme()[title]


def rest_of_readme() -> str:
    """Return the sections of README that no page asks for, with their headings."""
    texts = (path.read_text(encoding="utf-8") for path in (HERE / "pages").rglob("*.md"))
    asked = {mark[2] for text in texts for mark in _MARK.finditer(text) if mark[1] == "readme"}
    rest = {title: body for title, body in readme().items() if title not in asked}
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in rest.items())


def top_file(name: str) -> str:
    """Return a file at the top of the repository; its links lead to pages, where there are any."""
    text = _without_title((ROOT / name).read_text(encoding="utf-8"))
    text = text.replace("](docs/pages/", "](")
    return re.sub(r"\[([^]]*)\]\((?:recipes|clarity|config)/[^)]*\)", r"`\1`", text)


def _without_title(text: str) -> str:
    return re.sub(r"\A# .*\n", "", text).strip()


def notebook(name: str) -> str:
    """Return a notebook as Markdown: its text as it is, its code as blocks."""
    cells = json.loads((HERE / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts)


def stages() -> str:
    """Return the table of stages that the ear model's docstring holds."""
    from clarity.evaluator import ear_model  # noqa: PLC0415 - after the path is set

    lines = (ear_model.__doc__ or "").splitlines()
    borders = [number for number, line in enumerate(lines) if line.startswith("====")]
    starts = [match.start() for match in re.finditer("=+", lines[borders[0]])]
    spans = [slice(*pair) for pair in zip(starts, [*starts[1:], None], strict=True)]
    rows = [[line[span].strip() for span in spans] for line in lines[borders[0] + 1 : borders[-1]]]
    header, _, *body = rows
    marked = [[f"`{cell}`" if "." in cell or "_" in cell else cell for cell in row] for row in body]
    marked = [[*row[:4], plain[4]] for row, plain in zip(marked, body, strict=True)]
    table = [header, ["---"] * len(header), *marked]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
