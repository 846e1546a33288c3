"""An HTML page as tests read it: its elements with their text, by the parser of the standard library."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import MappingProxyType

_VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})


@dataclass(slots=True, kw_only=True, eq=False)
class Element:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    parent: "Element | None" = None
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def walk(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def find(
        self, tag: str = "", *, class_: str = "", having: Mapping[str, str] = MappingProxyType({})
    ) -> list["Element"]:
        """The elements below with a tag, a class and attributes."""
        return [
            each
            for each in self.walk()
            if (not tag or each.tag == tag)
            and (not class_ or class_ in each.attributes.get("class", "").split())
            and having.items() <= each.attributes.items()
        ]

    def is_within(self, *names: str) -> bool:
        """Whether the element or one around it has an attribute, a class or a tag of such a name."""
        element: Element | None = self
        while element is not None:
            if {element.tag, *element.attributes, *element.attributes.get("class", "").split()} & set(names):
                return True
            element = element.parent
        return False

    def texts(self) -> Iterator[tuple["Element", str]]:
        """Every piece of text, with the element that it stands in."""
        for element in self.walk():
            for child in element.children:
                if isinstance(child, str):
                    yield element, child


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.current = Element(tag="")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag}: an attribute twice: {names}"
        element = Element(tag=tag, attributes={name: value or "" for name, value in attrs}, parent=self.current)
        self.current.children.append(element)
        if tag not in _VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.current.tag == tag, f"</{tag}> within <{self.current.tag}>"
        assert self.current.parent is not None
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        self.current.children.append(data)


def parse_page(html: str) -> Element:
    """Parses a page in which every element is closed where it should be."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder.current is builder.root, f"<{builder.current.tag}> is not closed"
    return builder.root
