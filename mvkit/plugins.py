"""Name to module: a file in a folder *is* the entry, and its module name is the key.

Nothing registers itself on import. `available` lists the folder without importing it; `load` imports one module and
returns the one public class in it that derives from the folder's base class. Modules named `base`, and modules that
start with an underscore, are support and never listed.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

from mvkit.errors import OptionError, unknown

T = TypeVar("T")


@cache
def available(package: str) -> tuple[str, ...]:
    """Names of the entries of a package folder, sorted. Imports the package itself, not its modules."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise OptionError(f"{package} is not a package folder")
    files = (path for folder in spec.submodule_search_locations for path in Path(folder).glob("*.py"))
    return tuple(sorted(f.stem for f in files if f.stem != "base" and not f.stem.startswith("_")))


def load(package: str, name: str, base: type, kind: str) -> type:
    """The class that module `name` of `package` defines.

    package: dotted name; base: the class it must derive from; kind: the word for it in messages ("masker").
    Raises OptionError for an unknown name (listing the known ones) or a module without exactly one such class.
    """
    if name not in available(package):
        raise OptionError(unknown(kind, name, available(package)))
    module = import_module(f"{package}.{name}")
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, base)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
    ]
    if len(found) != 1:
        raise OptionError(f"{package}.{name} must define exactly one public {base.__name__}, found {len(found)}")
    return found[0]


def build(make: Callable[..., T], what: str, options: Mapping[str, Any]) -> T:
    """make(**options), where an option it does not know is refused by name. Raises OptionError."""
    known = [p for p in signature(make).parameters if p != "self"]
    for name in options:
        if name not in known:
            raise OptionError(f"{what}: {unknown('option', name, known)}")
    return make(**options)
