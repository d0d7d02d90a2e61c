"""Write README's table of keys: ``python -m recipes.cad_icassp_2024.config_table``."""

from __future__ import annotations

import re
from pathlib import Path

from clarity.utils.file_io import atomic_path
from recipes.cad_icassp_2024.config import Config, describe
from recipes.cad_icassp_2024.entry import composed_defaults

README = Path(__file__).resolve().parents[2] / "README.md"
_TABLE = re.compile(
    r"(<!-- configuration table.*?-->\n).*?(<!-- end of the configuration table -->)", re.DOTALL
)


def markdown_table() -> str:
    """Return a Markdown table of all keys of the baseline, with their defaults."""
    rows = describe(Config, defaults=composed_defaults("config"))
    lines = ["| key | default | what it does |", "|---|---|---|"]
    for row in rows:
        default = re.sub(r"\$\{(\w[\w.]*)\}", r"{\1}", row.default)
        lines.append(f"| `{row.key}` | `{default}` | {row.text} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return README's text with the table between its marks made anew.

    Parameters
    ----------
    text : str
        README's text as it is.
    """
    table = markdown_table()
    return _TABLE.sub(lambda match: match[1] + table + match[2], text)


def main() -> None:
    """Write the table into README.md."""
    text = with_table(README.read_text(encoding="utf-8"))
    with atomic_path(README) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
