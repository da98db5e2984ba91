"""Mutated web pages: trees of any tags with words in them, written badly, in any encoding, then damaged or not.

Of one that is not damaged, every word that a browser shows is read, in order; of the others, all that is said is one
line with the file's name.
"""

from __future__ import annotations

import atexit
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.fuzzing import mutating
from benchmarks.fuzzing.reading import check_document, refusal
from tools import documents

BLOCKS = (
    "div",
    "p",
    "ul",
    "li",
    "h1",
    "h3",
    "section",
    "article",
    "blockquote",
    "main",
    "header",
    "footer",
    "dl",
    "dd",
)
INLINE = ("b", "i", "span", "a href='x.html'", "em", "font color=red", "custom-tag", "u", "code", "label")
HIDDEN = ("script", "style", "template", "p hidden", "div style='display:none'")
ATTRIBUTES = ("", " class=x", " id='a b'", ' title="a &gt; b"', " style='color: red'", " data-x", " lang=ja")
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be")
PIECES = (
    "<", ">", "</", "<!--", "-->", "<![CDATA[", "]]>", "<!", "<?", "&", "&#", "&#x110000;", "&#xD800;", "&amp", '"',
    "'", "<title>", "</title>", "<textarea>", "<script>", "<svg><title>", "<table>", "<td rowspan=9999>",
    "<td colspan=-1>", "<tr>", "</table>", "<ruby><rt>", "<rt>", "<select><option>", "<iframe>", "<frameset>",
    "<plaintext>", "<pre>",
    "<meta charset=utf-7>", "<meta charset='\x00'>", "<base href=//x>", "</body>", "</html>", "<body>", "<li>", "\x00",
)  # fmt: skip


def prepare() -> Callable[[random.Random], str]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-html-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def attempt(draw: random.Random) -> str:
        path = folder / draw.choice(["page.html", "page.htm", "page.xhtml"])
        words = (f"w{number}" for number in range(1_000_000))
        page = "".join(_tree(draw, words, draw.randint(1, 5)))
        if draw.random() < 0.3:
            shown = re.findall(r"w\d+", re.sub(r"<hidden>.*?</hidden>", "", page))
            _write(path, _framed(page, draw), draw.choice(ENCODINGS))
            if shown:  # else the hidden ones are read
                _check_words(documents.read_one(path).text, shown)
                return "all words"
        path.write_bytes(_damaged(_framed(page, draw), draw))
        return "refused" if refusal(lambda: check_document(documents.read_one(path)), path) else "read"

    return attempt


def _check_words(text: str, shown: list[str]) -> None:
    read = re.findall(r"w\d+", text)
    assert read == shown, f"{[word for word in shown if word not in read]} not read, or in another order: {text}"


def _write(path: Path, page: str, encoding: str) -> None:
    """With what is hidden as the page says it: <hidden> marks it for the check."""
    path.write_bytes(re.sub("</?hidden>", "", page).encode(encoding))


def _tree(draw: random.Random, words: Iterator[str], depth: int) -> Iterator[str]:
    for _ in range(draw.randint(1, 5)):
        kind = draw.random()
        if depth == 0 or kind < 0.35:
            yield f"{next(words)}{draw.choice([' ', ' ', '<br>', ' &amp; ', '<hr>', ' <img src=x> ', '<!-- x -->'])} "
        elif kind < 0.5:
            yield from _element(draw.choice(INLINE), draw, words, depth)
        elif kind < 0.6:
            hidden = draw.choice(HIDDEN)
            yield f"<hidden><{hidden}>{next(words)}</{hidden.split()[0]}></hidden>"
        elif kind < 0.75:
            yield from _table(draw, words, depth)
        else:
            yield from _element(draw.choice(BLOCKS), draw, words, depth)


def _element(tag: str, draw: random.Random, words: Iterator[str], depth: int) -> Iterator[str]:
    yield f"<{tag}{draw.choice(ATTRIBUTES)}>"
    yield from _tree(draw, words, depth - 1)
    if draw.random() < 0.9:
        yield f"</{tag.split()[0]}>"


def _table(draw: random.Random, words: Iterator[str], depth: int) -> Iterator[str]:
    yield "<table>"
    for _ in range(draw.randint(1, 3)):
        yield "<tr>"
        for _ in range(draw.randint(1, 3)):
            yield draw.choice(["<td>", "<th>", "<td colspan=2>"])
            yield from _tree(draw, words, depth - 1)
            yield draw.choice(["</td>", ""])
        yield draw.choice(["</tr>", ""])
    yield "</table>"


def _framed(page: str, draw: random.Random) -> str:
    return draw.choice(
        [
            page,
            f"<html><body>{page}",
            f"<!doctype html><html><head><title>T</title><meta charset=latin-1></head><body>{page}</body></html>",
            f"<body>{page}</body></html>",
        ]
    )


def _damaged(page: str, draw: random.Random) -> bytes:
    page = re.sub("</?hidden>", "", page)
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randint(0, len(page))
        page = page[:at] + draw.choice(PIECES) * draw.choice([1, 1, 1, 2, 3_000]) + page[at:]
    content = page.encode(draw.choice(ENCODINGS))
    return mutating.damaged(content, draw) if draw.random() < 0.4 else content
