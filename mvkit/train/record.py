"""A frozen record of settings that refuses what it does not know, in one line."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mvkit.errors import OptionError, unknown


class Record(BaseModel):
    """Base of `RunSpec` and `FinetuneSpec`. Raises OptionError for unknown names, wrong types, values out of range."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def __init__(self, **values: Any) -> None:
        kind = type(self).__name__
        for name in values:
            if name not in type(self).model_fields:
                raise OptionError(f"{kind}: {unknown('option', name, type(self).model_fields)}")
        try:
            super().__init__(**values)
        except ValidationError as err:
            first = err.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or kind
            raise OptionError(f"{kind}: {where}: {first['msg']}, got {first['input']!r}") from None

    def but(self, **changes: Any) -> Self:
        """The same record with other values for some fields, checked as at the start. Raises OptionError."""
        return type(self)(**{**self.model_dump(), **changes})
