"""Reads rendered pages: a small tree, and the rule that nothing in them needs a weaker CSP."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "use"}


class Node:
    def __init__(self, tag, attrs, parent=None):
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children = []
        self.parts = []  # text and child nodes, in order

    def walk(self):
        for child in self.children:
            yield child
            yield from child.walk()

    def all(self, tag):
        return [node for node in self.walk() if node.tag == tag]

    def one(self, tag):
        """The first `tag`; fails when there is none."""
        found = self.all(tag)
        assert found, f"no <{tag}> in the page"
        return found[0]

    def by_id(self, value):
        (node,) = (node for node in self.walk() if node.attrs.get("id") == value)
        return node

    def text(self):
        """Words as they are read, with white space folded."""
        return " ".join("".join(self._texts()).split())

    def _texts(self):
        for part in self.parts:
            if isinstance(part, Node):
                yield from part._texts()
            else:
                yield part


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = self.at = Node("", {})

    def handle_starttag(self, tag, attrs):
        node = Node(tag, dict(attrs), self.at)
        self.at.children.append(node)
        self.at.parts.append(node)
        if tag not in VOID:
            self.at = node

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}>"
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.parts.append(data)


def parse(html: str) -> Node:
    """The page as a tree. Fails on tags that are not closed in order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.at is reader.root, f"<{reader.at.tag}> is not closed"
    return reader.root


def assert_no_inline(html: str) -> None:
    """Nothing that `script-src 'self'; style-src 'self'` blocks, and no handler or script address."""
    for node in parse(html).walk():
        assert node.tag != "style", "a <style> element"
        if node.tag == "script":
            assert node.attrs.get("src") or node.attrs.get("type") == "application/json", "an inline <script>"
        for name, value in node.attrs.items():
            assert name != "style", f'style="{value}" on <{node.tag}>'
            assert not name.startswith(("on", "hx-on")), f"{name} on <{node.tag}>"
            if name in ("href", "src", "action", "formaction"):
                assert not (value or "").strip().lower().startswith("javascript:"), f"{name}={value}"
            if name in ("hx-vals", "hx-headers", "hx-confirm"):
                assert not (value or "").strip().startswith("js:"), f"{name}={value}"
