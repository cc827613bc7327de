"""Text with commas."""

from mvkit.errors import OptionError

_OPENS, _CLOSES = "[{(", "]})"


def split(text: str) -> list[str]:
    """Parts of a text between commas that stand in no bracket and no quote; quotes around a whole part go.

    Raises OptionError for a bracket or quote that does not close.
    """
    parts, depth, quote, start = [], 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and not text[start:place].strip(_OPENS + " "):
            quote = sign
        else:
            depth += (sign in _OPENS) - (sign in _CLOSES)
            if sign == "," and not depth:
                parts.append(text[start:place])
                start = place + 1
    if quote or depth:
        raise OptionError(f"a bracket or quote does not close in `{text}`")
    return [_bare(part.strip()) for part in [*parts, text[start:]]]


def _bare(part: str) -> str:
    return part[1:-1] if len(part) > 1 and part[0] == part[-1] and part[0] in "'\"" else part
