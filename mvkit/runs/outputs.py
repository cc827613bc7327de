"""Cells as HTML for a report: Markdown with formulas drawn, outputs in their most readable form, all of it offline."""

import json
import re
from base64 import b64encode
from html import escape
from typing import Any

from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from mvkit.runs.formula import formula
from mvkit.runs.offline import offline

_WIDGET = "application/vnd.jupyter.widget-view+json"
_TWIN = "application/vnd.mvkit.twin+json"
_RASTER = ("image/png", "image/jpeg", "image/webp", "image/gif")


def markdown(cell: Any) -> str:
    """A Markdown cell; attached images are embedded, images from the network become nothing but their description."""
    return offline(_markdown(cell.source, dict(cell.get("attachments", {}))))


def _markdown(source: str, attachments: dict[str, Any] | None = None) -> str:
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=attachments or {})
    return MarkdownWithMath(renderer=renderer).render(source)


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown with formulas as pictures, and wide tables that scroll by themselves."""

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>{text}</table></div>'


class Outputs:
    """Outputs of one notebook. Images without alternative text get it from the heading above their cell.

    has_sliders: whether there are static twins of explorers, whose sliders need the script of the page.
    """

    def __init__(self, nb: Any) -> None:
        outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
        self.has_sliders = any(_TWIN in output.get("data", {}) for output in outputs)
        self._twins = 0
        self._headings: dict[str, str] = {}
        heading = ""
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                found = re.findall(r"^#+\s+(.+)$", cell.source, re.MULTILINE)
                heading = found[-1].strip() if found else heading
            self._headings[cell.get("id", "")] = heading

    def show(self, output: Any, cell: Any) -> str:
        """One output as HTML, with anything it would fetch or run taken out."""
        match output.output_type:
            case "stream":
                return f'<div class="output {escape(output.name)}"><pre>{ansi2html(_joined(output.text))}</pre></div>'
            case "error":
                title = f"<strong>{escape(output.ename)}</strong>: {escape(output.evalue)}"
                trace = ansi2html("\n".join(output.traceback))
                return (
                    f'<div class="error">{title}<details><summary>Traceback</summary><pre>{trace}</pre></details></div>'
                )
        return f'<div class="output">{self._data(output, cell)}</div>'

    def _data(self, output: Any, cell: Any) -> str:
        data = output.data
        if _WIDGET in data and not data.keys() & {"text/html", "image/svg+xml", *_RASTER}:
            return "<p><em>An interactive control; open the notebook in JupyterLab to use it.</em></p>"
        if _TWIN in data:
            return self._twin(data[_TWIN])
        if "text/html" in data:
            return offline(_joined(data["text/html"]))
        if "image/svg+xml" in data:
            svg = b64encode(_joined(data["image/svg+xml"]).encode()).decode()
            return self._image("image/svg+xml", svg, output, cell)
        for kind in _RASTER:
            if kind in data:
                return self._image(kind, _joined(data[kind]).replace("\n", ""), output, cell)
        if "text/markdown" in data:
            return offline(_markdown(_joined(data["text/markdown"])))
        if "text/latex" in data:
            return formula(_joined(data["text/latex"]).strip().strip("$"), block=True)
        return f"<pre>{ansi2html(_joined(data.get('text/plain', '')))}</pre>"

    def _twin(self, twin: Any) -> str:
        """A picture with a slider; without the script it is the first picture, in its words."""
        self._twins += 1
        name, start, last = f"twin-{self._twins}", int(twin["start"]), len(twin["frames"]) - 1
        pictures = [f"data:{twin['kind']};base64,{frame}" for frame in twin["frames"]]
        frames = escape(json.dumps(list(zip(pictures, twin["alts"], twin["values"], strict=True))))
        label, value, alt = (
            escape(str(words)) for words in (twin["label"], twin["values"][start], twin["alts"][start])
        )
        return (
            f'<figure class="twin" data-frames="{frames}"><img alt="{alt}" src="{escape(pictures[start])}">'
            f'<div class="slide"><label for="{name}">{label}</label>'
            f'<input id="{name}" type="range" min="0" max="{last}" value="{start}" aria-valuetext="{value}" disabled>'
            f'<output for="{name}">{value}</output></div><figcaption>{alt}</figcaption></figure>'
        )

    def _image(self, kind: str, base64: str, output: Any, cell: Any) -> str:
        about = {**output.metadata, **dict(output.metadata.get(kind, {}))}
        caption = about.get("caption") or cell.metadata.get("caption")
        alt = about.get("alt") or cell.metadata.get("alt") or caption
        heading = self._headings.get(cell.get("id", ""))
        alt = alt or (f"Figure under the heading “{heading}”" if heading else "Figure without a description")
        image = f'<img alt="{escape(alt)}" src="data:{kind};base64,{base64}">'
        return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>" if caption else image


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
