"""What the README shows is what a reader gets."""

import contextlib
import io
import re
from pathlib import Path

from minialex import alexnet, network

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_stands_under_it():
    code, printed = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL).groups()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    assert out.getvalue() == printed


def test_every_picture_and_link_is_there():
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_table_of_variants_has_their_counts():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?\| ([\d,]+ \| [\d,]+) \|$", README, re.MULTILINE))
    for variant in alexnet.VARIANTS:
        net = alexnet.build(variant)
        total = network.summary(net.layers, net.input_shape).splitlines()[-1].split()
        assert rows[variant] == f"{total[1]} | {total[2]}", variant
