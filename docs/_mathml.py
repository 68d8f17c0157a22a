"""MkDocs hook: the LaTeX that arithmatex marked becomes MathML."""

import html
import re

from latex2mathml.converter import convert


_MARKED = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)


def on_page_content(text: str, **_) -> str:
    def mathml(match: re.Match) -> str:
        display = "block" if match["tag"] == "div" else "inline"
        return convert(html.unescape(match["latex"]).strip(), display=display)

    return _MARKED.sub(mathml, text)
