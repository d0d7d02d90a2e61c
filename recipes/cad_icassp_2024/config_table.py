"""Write README's tables of keys: ``python -m recipes.cad_icassp_2024.config_table``."""

from __future__ import annotations

import re
from pathlib import Path

from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig
from recipes.cad_icassp_2024.runs.composition import compose_config
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.schema import describe

README = Path(__file__).resolve().parents[2] / "README.md"
_SCHEMAS = {"config": Config, "generate_dataset": GenerateConfig}


def markdown_table(config_name: str) -> str:
    """Return a Markdown table of all keys of a configuration, with their defaults."""
    lines = ["| key | default | what it does |", "|---|---|---|"]
    for row in describe(_SCHEMAS[config_name], defaults=compose_config(config_name)):
        default = re.sub(r"\$\{(\w[\w.]*)\}", r"{\1}", row.default)
        lines.append(f"| `{row.key}` | `{default}` | {row.text} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """Return README's text with the tables between their marks made anew."""
    for name in _SCHEMAS:
        head, begin, rest = text.partition(f"<!-- keys of {name}: ")
        comment, _, rest = rest.partition("-->\n")
        _, end, tail = rest.partition(f"<!-- end of the keys of {name} -->")
        text = f"{head}{begin}{comment}-->\n{markdown_table(name)}{end}{tail}"
    return text


def main() -> None:
    """Write the tables into README.md."""
    text = with_tables(README.read_text(encoding="utf-8"))
    with atomic_path(README) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
