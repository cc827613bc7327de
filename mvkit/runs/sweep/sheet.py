"""A sweep as a YAML file:

    name: teachers                       # optional; the record is reports/sweeps/<name>
    runs:
      - notebook: 02_videomae
        parameters: {preset: quick}
        grid: {ratio: [0.75, 0.9], seed: 0..2}
      - notebook: 03_mvd
        grid: {seed: 0..2}
        parameters:
          video_teacher: run:{notebook: 02_videomae, ratio: 0.9, seed: ${seed}}

A notebook may also have `zip` (lists side by side), `list` (points one by one) and `random` (draws, seed, axes); its
parts multiply. A file with one notebook may leave `runs:` and the dash out. Only text, lists and mappings are taken
from YAML; what a text means is decided by the notebook's parameters (`said.typed`).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mvkit.errors import OptionError, unknown
from mvkit.runs.notebook import find_notebook
from mvkit.runs.sweep.entry import Entry, Random, Written
from mvkit.runs.sweep.said import Said

_KEYS = ("notebook", "parameters", "grid", "zip", "list", "random")
_YAML = "tag:yaml.org,2002:"
# What YAML 1.1 takes a plain word for; all of it is text here but null. Other tags name classes, and are refused.
_PLAIN = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
# `teacher: run:{notebook: a, seed: ${seed}}` is a reference to us and a syntax error to YAML: quotes make it text.
_BARE_REFERENCE = re.compile(r"^([^#'\"\n]*?:[ \t]+)(run:\{.*\})([ \t]*(?:#.*)?)$", re.MULTILINE)


def read_sheet(path: Path) -> tuple[str, list[Entry]]:
    """Name ("" without one) and entries of a sweep file. Raises OptionError naming file and line."""
    return _Sheet(path).read()


@dataclass(frozen=True)
class _Sheet:
    path: Path

    def read(self) -> tuple[str, list[Entry]]:
        top = self._mapping(self._root(), "a sweep")
        name = self._text(top.pop("name")) if "name" in top else ""
        if "runs" not in top:
            return name, [self._entry(top, f"{self.path.name}:1")]
        runs = top.pop("runs")
        if top:
            raise self._refuse(next(iter(top.values())), unknown("key", next(iter(top)), ("name", "runs")))
        entries = [self._entry(self._mapping(node, "a run"), self._where(node)) for node in self._items(runs, "runs")]
        if not entries:
            raise self._refuse(runs, "no runs")
        return name, entries

    def _root(self) -> yaml.Node:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise OptionError(f"{self.path} cannot be read as a sweep: {err}") from None
        quoted = _BARE_REFERENCE.sub(lambda m: f"{m[1]}'{m[2].replace(chr(39), chr(39) * 2)}'{m[3]}", text)
        try:
            root = yaml.compose(quoted, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as err:
            line = err.problem_mark.line + 1 if err.problem_mark else 1
            raise OptionError(f"{self.path.name}:{line}: not YAML: {err.problem}") from None
        except yaml.YAMLError as err:
            raise OptionError(f"{self.path.name}: not YAML: {err}") from None
        if root is None:
            raise OptionError(f"{self.path.name} is empty, wanted `notebook:` or `runs:`")
        return root

    def _entry(self, said: dict[str, yaml.Node], where: str) -> Entry:
        for key, node in said.items():
            if key not in _KEYS:
                raise self._refuse(node, unknown("key", key, _KEYS))
        if "notebook" not in said:
            raise OptionError(f"{where}: no `notebook:`")
        name = self._text(said["notebook"])
        beside = [self.path.parent / name, self.path.parent / f"{name}.ipynb"]
        try:
            found = find_notebook(next((place for place in beside if place.is_file()), name))
        except ValueError as err:
            raise self._refuse(said["notebook"], err) from None
        part = {key: self._written(said[key], key) for key in ("parameters", "grid", "zip") if key in said}
        points = (
            [self._written(node, "a point") for node in self._items(said["list"], "list")] if "list" in said else []
        )
        return Entry.build(
            found,
            where,
            fixed=part.get("parameters"),
            cross=part.get("grid"),
            beside=part.get("zip"),
            points=points,
            drawn=self._random(said["random"]) if "random" in said else None,
        )

    def _random(self, node: yaml.Node) -> Random:
        said = self._mapping(node, "random")
        if set(said) - {"draws", "seed", "axes"} or not {"draws", "axes"} <= set(said):
            raise self._refuse(node, f"random wants draws, axes and perhaps seed, got {', '.join(said) or 'nothing'}")
        numbers = []
        for key, least in (("draws", 1), ("seed", 0)):
            text = self._text(said[key]) if key in said else "0"
            if not text.isdecimal() or int(text) < least:
                raise self._refuse(said[key], f"{key} wants a whole number from {least}, got {text}")
            numbers.append(int(text))
        return Random(numbers[0], numbers[1], self._written(said["axes"], "axes"))

    def _written(self, node: yaml.Node, what: str) -> Written:
        return {name: Said(self._raw(one), self._where(one)) for name, one in self._mapping(node, what).items()}

    def _raw(self, node: yaml.Node) -> Any:
        """Text, None, lists and mappings of these."""
        match node:
            case yaml.ScalarNode():
                return None if node.tag == f"{_YAML}null" and node.style is None else self._text(node)
            case yaml.SequenceNode():
                return [self._raw(one) for one in node.value]
        return {name: self._raw(one) for name, one in self._mapping(node, "a value").items()}

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag.removeprefix(_YAML) not in _PLAIN:
            raise self._refuse(node, f"wanted a word or a number, got {node.tag.rpartition(':')[2]}")
        return node.value

    def _items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._refuse(node, f"{what} wants a list")
        return node.value

    def _mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._refuse(node, f"{what} wants a mapping, `name: value` by lines or in braces")
        names = [self._text(key) for key, _ in node.value]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise self._refuse(node.value[place][0], f"'{name}' is there twice")
        return dict(zip(names, (value for _, value in node.value), strict=True))

    def _where(self, node: yaml.Node) -> str:
        return f"{self.path.name}:{node.start_mark.line + 1}"

    def _refuse(self, node: yaml.Node, why: object) -> OptionError:
        return OptionError(f"{self._where(node)}: {why}")
