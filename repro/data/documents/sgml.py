"""The SGML of Reuters-21578, read with the standard library's lenient parser and a strict idea of nesting."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

from repro.errors import UserError

LISTS = ("topics", "places", "people", "orgs", "exchanges", "companies")
PARENTS = {  # element: the elements that it may lie in [the distribution's lewis.dtd]; "": outermost
    "reuters": ("",),
    **dict.fromkeys(("date", "mknote", "unknown", "text", *LISTS), ("reuters",)),
    "d": LISTS,
    **dict.fromkeys(("title", "author", "dateline", "body"), ("text",)),
}
NOT_WORDS = ("author", "dateline")  # of the elements in a text


class Story(NamedTuple):
    """One story of Reuters-21578."""

    number: int  # NEWID, 1 to 21578
    topics: tuple[str, ...]  # as listed
    text: str  # title and body, or all the text of a story without such parts (TYPE="UNPROC")


def read_stories(name: str, content: bytes) -> list[Story]:
    """All stories of one SGML file, in order; `name` is for messages.

    Read as Latin-1, in which every byte is a character: one of the files has two bytes beyond ASCII.
    References to control characters, which frame the text, vanish.

    Raises:
        UserError: anything but well-nested stories of known elements; it names the line.

    """
    parser = Parser(name)
    parser.feed(content.decode("latin-1"))
    if parser.open or parser.rawdata.strip():
        raise parser.malformed("the file ends in the middle of a story")
    parser.close()
    return parser.stories


class Parser(HTMLParser):
    """Collects stories; `open` is the stack of elements that have begun and not ended."""

    def __init__(self, name: str):
        super().__init__(convert_charrefs=True)
        self.name = name
        self.open: list[str] = []
        self.stories: list[Story] = []

    def malformed(self, what: str) -> UserError:
        """The error to raise where the parser has got to."""
        return UserError(f"{self.name}, line {self.getpos()[0]}: {what}")

    def set_cdata_mode(self, elem: str, *, escapable: bool = False) -> None:
        """Nothing: an HTML title is a special element, to newer Pythons at least, and a TITLE here is not."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins, which must be one that may lie here."""
        if (self.open or [""])[-1] not in PARENTS.get(tag, ()):
            where = f"in <{self.open[-1].upper()}>" if self.open else "outside a story"
            raise self.malformed(f"<{tag.upper()}> {where}")
        self.open.append(tag)
        if tag == "reuters":
            self.number = dict(attrs).get("newid") or ""
            self.seen, self.topics, self.text = set(), [], []
            if not (self.number.isascii() and self.number.isdigit()):
                raise self.malformed("a story without a number (NEWID)")
        self.seen.add(tag)
        if self.open[-2:] == ["topics", "d"]:
            self.topics.append("")

    def handle_endtag(self, tag: str) -> None:
        """The innermost element ends; with <REUTERS> the story is complete."""
        if self.open[-1:] != [tag]:
            raise self.malformed(f"</{tag.upper()}> ends nothing that is open")
        self.open.pop()
        if tag == "reuters":
            if not {"topics", "text"} <= self.seen:
                raise self.malformed(f"story {self.number} has no <TOPICS> or no <TEXT>")
            self.stories.append(Story(int(self.number), tuple(self.topics), " ".join(self.text)))

    def handle_data(self, data: str) -> None:
        """Text, references resolved: of a topic, of the story, or of no use."""
        if not self.open and data.strip():
            raise self.malformed("text outside a story")
        if self.open[-2:] == ["topics", "d"]:
            self.topics[-1] += data.strip()
        elif "text" in self.open and self.open[-1] not in NOT_WORDS:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        """Refused: the files have none."""
        raise self.malformed("a comment, or something that is no tag")

    def handle_pi(self, data: str) -> None:
        """Refused: the files have none."""
        raise self.malformed("a processing instruction")

    def unknown_decl(self, data: str) -> None:
        """Refused: the files have none."""
        raise self.malformed("an unknown declaration")
