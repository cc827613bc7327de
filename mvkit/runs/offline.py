"""HTML that asks nothing of the network and runs nothing: what outputs and Markdown hold, cleaned for a report.

Scripts, frames, style sheets and forms go; what would be fetched (src, srcset, poster, url() in a style) stays only as
a data: URI; links a reader may follow stay. The report's content policy forbids the rest to the browser once more.
"""

import re
from html import escape
from html.parser import HTMLParser

_DROPPED = {"script", "iframe", "frame", "object", "embed", "applet", "form", "noscript"}  # with what they hold
_EMPTY = {"link", "meta", "base", "input", "button", "select"}  # the tag alone
_FETCHED = {"src", "srcset", "poster", "background", "data", "action", "formaction", "xlink:href", "longdesc", "ping"}
_VOID = {"area", "br", "col", "hr", "img", "source", "track", "wbr"}
_URL_IN_STYLE = re.compile(r"url\(\s*(?!['\"]?\s*data:)[^)]*\)|@import[^;]*;?", re.IGNORECASE)


def offline(html: str) -> str:
    """The same HTML without anything that is fetched or run."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.parts)


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self.inside.append(tag)
        elif not self.inside and tag not in _EMPTY:
            kept = [_attribute(tag, name, value or "") for name, value in attrs]
            self.parts.append(f"<{tag}{''.join(kept)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            return
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside:
            if tag == self.inside[-1]:
                self.inside.pop()
        elif tag not in _VOID | _EMPTY | _DROPPED:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.parts.append(_URL_IN_STYLE.sub("none", data) if self.lasttag == "style" else data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def _attribute(tag: str, name: str, value: str) -> str:
    """One attribute as it may stay, else nothing."""
    inner = value.strip().lower()
    if name.startswith("on") or name == "srcdoc" or inner.startswith("javascript:"):
        return ""
    if name in _FETCHED and not inner.startswith("data:"):
        return ""
    if name == "href" and tag != "a" and not inner.startswith(("data:", "#")):
        return ""
    if name == "style":
        value = _URL_IN_STYLE.sub("none", value)
    return f' {name}="{escape(value)}"'
