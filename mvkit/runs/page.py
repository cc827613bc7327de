"""The look of a report: one HTML page, its style inside, readable on a phone and on paper.

The only script moves the sliders of static twins; a page without one has no script.
"""

from base64 import b64encode
from hashlib import sha256

# The policy is the lock on the door: whatever a cell has put into its output, a browser fetches and runs nothing.
POLICY = "default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'"

SCRIPT = """
for (const slider of document.querySelectorAll(".twin input")) {
  const figure = slider.closest("figure");
  const frames = JSON.parse(figure.dataset.frames);
  const picture = figure.querySelector("img"), words = figure.querySelector("figcaption");
  const output = figure.querySelector("output");
  slider.addEventListener("input", () => {
    const [src, alt, value] = frames[slider.valueAsNumber];
    picture.src = src;
    picture.alt = words.textContent = alt;
    output.value = value;
    slider.setAttribute("aria-valuetext", value);
  });
  slider.disabled = false;
}
"""
# Known by its hash, so that no other script runs beside it.
POLICY_WITH_SCRIPT = f"{POLICY}; script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"

STYLE = """
:root { color-scheme: light; --ink: #1d2327; --soft: #59636b; --line: #d9dee2; --wash: #f5f7f8; --link: #0b5c8f; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
main, header, footer { max-width: 56rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1, h2, h3 { line-height: 1.25; margin: 1.6em 0 .5em; } h2 { font-size: 1.35rem; }
h1 { font-size: 1.8rem; margin-top: .4em; }
p, ul, ol { max-width: 44rem; }
a { color: var(--link); }
img, svg, video { max-width: 100%; height: auto; }
img.tex { max-width: none; } span.tex { display: block; text-align: center; overflow-x: auto; }
figure { margin: 0 0 1rem; } figcaption { color: var(--soft); font-size: .9rem; max-width: 44rem; }
.slide { display: flex; align-items: center; gap: .75rem; margin: .25rem 0; max-width: 40rem; }
.slide input { flex: 1 1 8rem; min-width: 0; min-height: 1.75rem; accent-color: var(--link); }
.slide label { color: var(--soft); } .slide output { min-width: 4rem; font-variant-numeric: tabular-nums; }
.slide input:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.output { margin: .75rem 0; overflow-x: auto; } .output pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { margin: .4rem 0; padding: .6rem .8rem; background: var(--wash); border-radius: 4px; overflow-x: auto; }
pre, code { font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.stderr pre { border-left: 3px solid #c58a00; }
.error { border: 1px solid #b3261e; border-left-width: 4px; border-radius: 4px; padding: .5rem .8rem; margin: 1rem 0; }
.error > strong { color: #9c1c15; }
details.code, details.fold { margin: .4rem 0; } details.code > summary { color: var(--soft); font-size: .8rem; }
summary { cursor: pointer; } p code { overflow-wrap: anywhere; }
table { border: 0; border-collapse: collapse; margin: .5rem 0; font-size: .92rem; }
th, td { border: 0; border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left; }
th, td { vertical-align: top; } td { overflow-wrap: anywhere; min-width: 6rem; } th { overflow-wrap: break-word; }
td > table { margin: -.25rem 0; } td > table tr:last-child > * { border: 0; }
.scroll { overflow-x: auto; }
.state { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-weight: 600; color: #fff; }
.done { background: #1f6f43; } .failed { background: #9c1c15; } .interrupted, .running, .queued { background: #7a5400; }
footer { color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); margin-top: 3rem; padding: 1rem; }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
footer dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { font-size: 15px; } h1 { font-size: 1.5rem; } footer dl { display: block; }
  footer dt { font-weight: 600; } .results > table > tbody > tr > * { display: block; } }
@media print { details.code, .slide input { display: none; } .output { overflow: visible; } }
"""

TEMPLATE = """{% set page = resources.page %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ page.policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mvkit {{ page.version }}">
<title>{{ page.title | escape }}</title>
<style>{{ page.style }}</style>
</head>
<body>
<header>
{%- if page.opening is not none %}
{{ nb.cells[page.opening] | markdown_cell }}
{%- endif %}
<p><span class="state {{ page.status.state }}">{{ page.status.state }}</span> {{ page.status.run | escape }}</p>
{%- if page.status.cause %}
<div class="error" role="alert"><strong>Cell {{ page.status.cell or "?" }}</strong>:
{{ page.status.cause | escape }}</div>
{%- endif %}
{%- if page.parameters %}
<details class="fold" open><summary>Parameters</summary>
<div class="scroll"><table>
<thead><tr><th scope="col">name</th><th scope="col">value</th><th scope="col">meaning</th></tr></thead>
<tbody>
{%- for row in page.parameters %}
<tr><th scope="row">{{ row.name | escape }}</th><td>{{ row.value | escape }}</td><td>{{ row.help | escape }}</td></tr>
{%- endfor %}
</tbody></table></div></details>
{%- endif %}
</header>
<main>
{%- for cell in nb.cells %}
{%- if loop.index0 == page.opening %}
{%- elif cell.cell_type == "markdown" %}
<section>{{ cell | markdown_cell }}</section>
{%- elif cell.cell_type == "code" and cell.source.strip() and not (cell | is_parameters) %}
<section>
<details class="code"><summary>Code{% if cell.execution_count %} [{{ cell.execution_count }}]{% endif %}</summary>
{{ cell.source | highlight_code(metadata=cell.metadata) }}</details>
{%- for output in cell.outputs %}
{{ output | output_html(cell) }}
{%- endfor %}
</section>
{%- endif %}
{%- endfor %}
</main>
<footer>
<dl>
{%- for name, value in page.provenance %}
<dt>{{ name | escape }}</dt><dd>{{ value | escape }}</dd>
{%- endfor %}
</dl>
</footer>
{%- if page.script %}
<script>{{ page.script }}</script>
{%- endif %}
</body>
</html>
"""
