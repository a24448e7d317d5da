"""The lessons as web pages, to be looked at: `python lessons/pages.py FOLDER [--dark]`.

Markdown is rendered by GitHub's own library (cmarkgfm), formulas to MathML, which browsers draw. A repository's site
does both by itself; this is for seeing a page before it is there. It needs `pip install -e ".[lessons]"`.
"""

import argparse
import html
import re
import shutil
import sys
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options
from latex2mathml.converter import convert

from minialex.errors import main_status

LESSONS = Path(__file__).resolve().parent
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
MATH = re.compile(
    r"^( *)```math\n(.*?)^ *```|(?<![\w$\\])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\w$])", re.DOTALL | re.MULTILINE
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: {scheme}; --ink: {ink}; --card: {card}; --line: {line}; }}
body {{ max-width: 838px; margin: 2rem auto; padding: 0 2rem; color: var(--ink); background: {paper};
       font: 16px/1.5 system-ui, sans-serif; }}
pre, code {{ background: var(--card); border-radius: 6px; font: 85%/1.45 ui-monospace, monospace; }}
code {{ padding: .2em .4em; }} pre {{ padding: 1rem; overflow: auto; }} pre code {{ padding: 0; font-size: 100%; }}
table {{ border-collapse: collapse; display: block; overflow: auto; }}
td, th {{ border: 1px solid var(--line); padding: 6px 13px; }}
img {{ max-width: 100%; }} a {{ color: {link}; }}
h1, h2 {{ border-bottom: 1px solid var(--line); padding-bottom: .3em; }}
math {{ font-family: "Latin Modern Math", "STIX Two Math", "DejaVu Math TeX Gyre", math; }}
math[display=block] {{ margin: .6rem 0; padding: .4rem 0; overflow: auto hidden; }} mtable {{ math-style: normal; }}
mtd[columnalign=right] {{ text-align: right; padding-right: 0; }}
mtd[columnalign=left] {{ text-align: left; padding-left: 0; }}
</style>{body}</html>"""
KEYS = ("scheme", "ink", "paper", "card", "line", "link")
THEMES = {
    "light": dict(zip(KEYS, ("light", "#1f2328", "#fff", "#f6f8fa", "#d1d9e0", "#0969da"), strict=True)),
    "dark": dict(zip(KEYS, ("dark", "#f0f6fc", "#0d1117", "#151b23", "#3d444d", "#4493f8"), strict=True)),
}


def render(markdown: str) -> str:
    """Markdown as HTML, formulas as MathML."""
    formulas = []

    def keep(match):
        indent, display, inline = match.groups()
        formula = (display or inline).replace("{aligned}", "{align*}")  # what the converter calls it
        formulas.append(convert(formula, display="block" if display else "inline"))
        place = f"formula{len(formulas) - 1}x"  # a word that markdown leaves alone
        return f"{indent}{place}\n" if display else place

    parts, last = [], 0
    for code in CODE.finditer(markdown):
        if not code[0].startswith("```math"):
            parts += [MATH.sub(keep, markdown[last : code.start()]), code[0]]
            last = code.end()
    text = "".join([*parts, MATH.sub(keep, markdown[last:])])
    body = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    body = re.sub(r"(<pre lang=\"\w+)[^\"]*", r"\1", body)
    return re.sub(r"formula(\d+)x", lambda match: formulas[int(match[1])], body)


def page(path: Path, theme: str) -> str:
    """A lesson as a whole page; links to other lessons lead to their pages."""
    body = re.sub(r'href="(\w+)\.md', r'href="\1.html', render(path.read_text(encoding="utf-8")))
    return PAGE.format(title=html.escape(path.stem), body=body, **THEMES[theme])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("--dark", action="store_true", help="as on a site's dark theme")
    args = parser.parse_args(argv)
    shutil.copytree(LESSONS / "figures", args.folder / "figures", dirs_exist_ok=True)
    for path in sorted(LESSONS.glob("*.md")):
        written = args.folder / f"{path.stem}.html"
        written.write_text(page(path, "dark" if args.dark else "light"), encoding="utf-8")
        print(written)


if __name__ == "__main__":
    sys.exit(main_status(main))
