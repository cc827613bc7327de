"""report.html of one run: the executed notebook as a page that needs nothing but itself.

nbconvert walks the notebook; our template and filters decide the rest: everything embedded, no script but the one that
moves the sliders of explorers, code folded, parameters above, provenance below, alternative text on every image.
"""

import re
import shlex
from typing import Any

import nbformat
from jinja2 import DictLoader

from mvkit.errors import RunError
from mvkit.runs.execution import one_line
from mvkit.runs.files import read_json, write_bytes_atomic
from mvkit.runs.folder import RunFolder
from mvkit.runs.outputs import Outputs, markdown
from mvkit.runs.page import POLICY, POLICY_WITH_SCRIPT, SCRIPT, STYLE, TEMPLATE
from mvkit.runs.parameters import Parameters
from mvkit.version import __version__

_PARAMETERS = {"parameters", "injected-parameters"}


def write_report(folder: RunFolder, status: dict[str, Any]) -> None:
    """Write report.html from the executed (or partial) notebook and this status. Raises RunError where it cannot."""
    source = folder.notebook if folder.notebook.exists() else folder.partial
    nb = nbformat.read(source, as_version=4)
    page = {
        "title": f"{_first_heading(nb) or folder.path.parent.name} ({status['state']})",
        "status": {"run": folder.name, **status},
        "parameters": _parameters(nb, folder),
        "provenance": _footer(read_json(folder.provenance), status),
    }
    write_bytes_atomic(folder.report, render(nb, page).encode())


def render(nb: Any, page: dict[str, Any]) -> str:
    """The page of a notebook. page: title, status, parameters and provenance, as `write_report` makes them.

    The title cell, if the notebook begins with one, comes first, then state and parameters, then the rest.
    """
    from nbconvert.exporters import HTMLExporter
    from pygments.formatters import HtmlFormatter

    exporter = HTMLExporter(extra_loaders=[DictLoader({"mvkit.html.j2": TEMPLATE})], template_file="mvkit.html.j2")
    exporter.register_filter("markdown_cell", markdown)
    outputs = Outputs(nb)
    exporter.register_filter("output_html", outputs.show)
    exporter.register_filter("is_parameters", lambda cell: bool(_PARAMETERS & set(cell.metadata.get("tags", []))))
    style = STYLE + str(HtmlFormatter(style="tango").get_style_defs(".highlight"))
    opening = 0 if nb.cells and nb.cells[0].cell_type == "markdown" else None
    policy, script = (POLICY_WITH_SCRIPT, SCRIPT) if outputs.has_sliders else (POLICY, "")
    facts = {"policy": policy, "script": script, "style": style, "version": __version__, "opening": opening, **page}
    try:
        body, _ = exporter.from_notebook_node(nb, resources={"page": facts})
    except Exception as err:
        raise RunError(f"the report could not be made: {one_line(err)}") from err
    return body


def _parameters(nb: Any, folder: RunFolder) -> list[dict[str, str]]:
    """Rows of the parameters table: the values of the run, the help of the notebook's cell."""
    source = next((c.source for c in nb.cells if "parameters" in c.metadata.get("tags", [])), "")
    declared = Parameters.of_source(source)
    values = read_json(folder.params)
    return [
        {"name": name, "value": repr(value), "help": declared[name].help if name in declared else ""}
        for name, value in values.items()
    ]


def _footer(record: dict[str, Any], status: dict[str, Any]) -> list[tuple[str, str]]:
    code, machine, notebook = (record.get(part, {}) for part in ("code", "machine", "notebook"))
    commit = code.get("commit") or "none (no commit, or no git checkout)"
    dirty = f", with changes {code['dirty']}" if code.get("dirty") else ""
    versions = {name: number for name, number in record.get("versions", {}).items() if number}
    card = record.get("card")
    rows = {
        "run": status.get("run", ""),
        "time": f"{status.get('started', record.get('time', ''))}, {status.get('seconds', 0):g} s",
        "command": shlex.join(record.get("command", [])),
        "commit": commit + dirty,
        "code": f"mvkit {code.get('mvkit', '?')}, hash {code.get('hash', '?')[:16]}",
        "notebook": f"{notebook.get('name', '?')}, hash {notebook.get('hash', '?')[:16]}",
        "data card": f"{card['name']}, hash {card['hash']}" if card else "",
        "seeds": ", ".join(f"{name} {value}" for name, value in record.get("seeds", {}).items()),
        "machine": f"{machine.get('cpu', '?')}, {machine.get('cores', '?')} cores, {machine.get('system', '?')}",
        "device": record.get("device") or "",
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    return [(name, value) for name, value in rows.items() if value]


def _first_heading(nb: Any) -> str | None:
    for cell in nb.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^#+\s+(.+)$", cell.source, re.MULTILINE)):
            return found[1].strip()
    return None
