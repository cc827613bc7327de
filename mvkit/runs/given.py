"""Values for parameters from outside Python: `name=value` texts, YAML or JSON files, the environment.

All give a dict for `Parameters.resolve`, which knows the types. YAML is read by the core schema of version 1.2: PyYAML
alone, which follows 1.1, makes a word of `1e-4`, a switch of `no` and 90 of `1:30`.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mvkit.errors import OptionError

VARIABLE = "MVKIT_PARAM_"

_CORE = {
    "null": (r"null|Null|NULL|~|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


class _Core(yaml.SafeLoader):
    """YAML 1.2, each key once."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML looks here

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        _once([(str(key.value), None) for key, _ in node.value])
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int:
        return int(self.construct_scalar(node))  # PyYAML's own reads 010 as eight


_Core.add_constructor("tag:yaml.org,2002:int", _Core.construct_yaml_int)
for _name, (_pattern, _first) in _CORE.items():
    _starts = [*_first, *([""] if _name == "null" else [])]
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _starts)


def of_texts(texts: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as a dict. Raises OptionError for a text without `=` and for a name given twice."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(f"-p {text}: wanted name=value")
        if name.strip() in pairs:
            raise OptionError(f"-p {name.strip()} is given twice")
        pairs[name.strip()] = value
    return pairs


def of_file(path: Path) -> dict[str, Any]:
    """The mapping in a .json, .yaml or .yml file. Raises OptionError for anything else, and for a name given twice."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else of_yaml(text)
    except OSError as err:
        raise OptionError(f"{path} cannot be read: {err.strerror}") from None
    except OptionError as err:
        raise OptionError(f"{path}: {err}") from None
    except ValueError as err:
        raise OptionError(f"{path} is not JSON in UTF-8: {' '.join(str(err).split())}") from None
    if not isinstance(found, dict):
        raise OptionError(f"{path} must hold lines of `name: value`, got {type(found).__name__}")
    return found


def of_yaml(text: str) -> Any:
    """YAML text by the core schema, as native values. Raises OptionError for what is no YAML or has a key twice."""
    try:
        return yaml.load(text, _Core)
    except yaml.YAMLError as err:
        raise OptionError(f"not YAML: {' '.join(str(err).split())}") from None


def of_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`MVKIT_PARAM_<name>=value` variables, by name."""
    return {name.removeprefix(VARIABLE): text for name, text in environment.items() if name.startswith(VARIABLE)}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for place, (name, _) in enumerate(pairs):
        if name in [other for other, _ in pairs[:place]]:
            raise OptionError(f"'{name}' is there twice")
    return dict(pairs)
