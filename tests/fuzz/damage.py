"""Random damage to files: to bytes of any, and to lines and values of text."""

import re

from hypothesis import strategies as st


# Sizes and addresses that parsers trip over.
_WORDS = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1, 2**40)
# Values that both TOML and JSON may hold, or nearly.
_VALUES = (
    *("0", "-1", "1", "2", "3.5", "1e308", "1e999", "-0.0", "nan", "inf", "true"),
    *("null", "[]", "{}", '""', '"../../etc"', '"/etc/passwd"', '"\\u0000"', "[0, 0]"),
    *(str(2**40), str(-(2**63)), "9" * 400, '"' + "x" * 5000 + '"', "[[[[[[0]]]]]]"),
    *("[" * 3000, "{" * 3000, '{"a":' * 3000, "a.b" * 2000, '{kind = "sine"}'),
)
_VALUE = re.compile(rb'"[^"\n]*"|-?[0-9][0-9.e+_-]*|true|false|null')
_PLACE = st.floats(0, 1, exclude_max=True)
BYTES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), _PLACE, st.integers(0, 7)),
        st.tuples(st.just("set"), _PLACE, st.integers(0, 255)),
        st.tuples(st.just("word"), _PLACE, st.sampled_from(_WORDS)),
        st.tuples(st.just("move"), _PLACE, _PLACE),
        st.tuples(st.just("cut"), _PLACE, st.none()),
    ),
    min_size=1,
    max_size=6,
)
TEXT = st.lists(
    st.one_of(
        st.tuples(st.just("value"), _PLACE, st.sampled_from(_VALUES)),
        st.tuples(st.just("exchange"), _PLACE, _PLACE),
        st.tuples(st.just("line"), _PLACE, _PLACE),
        st.tuples(st.just("drop"), _PLACE, st.none()),
        st.tuples(st.just("insert"), _PLACE, st.text(max_size=5)),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, steps) -> bytes:
    """The bytes after some steps of `BYTES` or `TEXT`."""
    for what, place, value in steps:
        content = _STEPS[what](content, place, value)
    return content


def _flip(content, place, bit):
    return _written(content, place, lambda old: bytes([old[0] ^ 1 << bit]))


def _set(content, place, byte):
    return _written(content, place, lambda old: bytes([byte]))


def _word(content, place, word):
    return _written(content, place, lambda old: word.to_bytes(8, "little"))


def _move(content, place, source):
    start = int(source * len(content))
    return _written(content, place, lambda old: content[start : start + 64])


def _written(content, place, new):
    """The bytes at a place written over."""
    if not content:
        return content
    at = int(place * len(content))
    piece = new(content[at:])
    return content[:at] + piece + content[at + len(piece) :]


def _cut(content, place, _):
    return content[: int(place * len(content))]


def _value(content, place, value):
    found = list(_VALUE.finditer(content))
    if not found:
        return content
    old = found[int(place * len(found))]
    new = value.encode() if isinstance(value, str) else value
    return content[: old.start()] + new + content[old.end() :]


def _exchange(content, place, other):
    """The value there becomes a copy of another."""
    found = list(_VALUE.finditer(content))
    if not found:
        return content
    return _value(content, place, found[int(other * len(found))].group())


def _line(content, place, other):
    """A copy of a line is put elsewhere."""
    lines = content.splitlines(keepends=True) or [b""]
    copy = lines[int(other * len(lines))]
    lines.insert(int(place * len(lines)), copy)
    return b"".join(lines)


def _drop(content, place, _):
    lines = content.splitlines(keepends=True) or [b""]
    del lines[int(place * len(lines))]
    return b"".join(lines)


def _insert(content, place, text):
    at = int(place * len(content))
    return content[:at] + text.encode(errors="surrogatepass") + content[at:]


_STEPS = {
    "flip": _flip,
    "set": _set,
    "word": _word,
    "move": _move,
    "cut": _cut,
    "value": _value,
    "exchange": _exchange,
    "line": _line,
    "drop": _drop,
    "insert": _insert,
}
