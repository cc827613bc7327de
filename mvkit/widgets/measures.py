"""Statistics of masks in words: a line for each that is defined, of one strategy or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

MANY = 64  # masks that the last of these are counted over, and the positional map is the mean of

# Statistic of `inspect.masks` -> its name, how its number is written, what the number is of.
WORDS = {
    "ratio": ("hidden", "{:.1%}", "of all tokens"),
    "place_leak": ("place leak", "{:.0%}", "of hidden tokens are visible at the same place one step away"),
    "place_leak_any": ("place leak, any step", "{:.0%}", "are visible at the same place in some step"),
    "place_leak_3x3": ("place leak, 3×3", "{:.0%}", "have a visible token around that place one step away"),
    "trajectory_leak": ("trajectory leak", "{:.0%}", "are visible where the motion takes them, one step away"),
    "border": ("border", "{:.0%}", "of hidden tokens touch a visible one in their step"),
    "visible_distance": ("distance", "{:.2f}", "tokens from a hidden one to the nearest visible one of its step"),
    "blind": ("blind steps", "{:.0%}", "of the steps show nothing"),
    "rho_space": ("correlation in space", "{:.2f}", "between neighbours in the plane; 0 is chance"),
    "rho_time": ("correlation in time", "{:.2f}", "between neighbouring steps; 0 is chance"),
    "visible_clump": ("visible clump", "{:.1f}", "visible tokens hang together, where one is"),
    "hidden_clump": ("hidden clump", "{:.1f}", "hidden tokens hang together, where one is"),
    "flip_rate": ("flips", "{:.0%}", "of the places change from one step to the next"),
    "motion_lift": ("motion lift", "{:.2f}", "times the motion that chance would show"),
    "saliency_lift": ("saliency lift", "{:.2f}", "times the saliency that chance would show"),
    "place_spread": ("positional bias", "{:.2f}", f"between places hidden most and least often, over {MANY} masks"),
    "step_spread": ("bias over steps", "{:.2f}", f"between steps hidden most and least often, over {MANY} masks"),
    "jaccard": ("overlap", "{:.0%}", "of what either of two masks shows, both show"),
    "jaccard_chance": ("overlap by chance", "{:.0%}", "for masks drawn at random"),
}


def in_words(measured: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """strategy -> statistics, as name -> sentence; what is undefined for all of them is left out."""
    told = {"hidden": _values(measured, "ratio"), "visible in a step": _ranges(measured)}
    told["hidden"] += f" of all tokens ({_tokens(measured)})"
    for name, (label, _, phrase) in WORDS.items():
        if values := _values(measured, name):
            told.setdefault(label, f"{values} {phrase}")
    return told


def in_short(stats: Mapping[str, float], tokens: int) -> str:
    """The few numbers that stand under a row of pictures."""
    hidden = round(stats["ratio"] * tokens)
    parts = [f"{stats['ratio']:.1%} hidden", f"{tokens - hidden} of {tokens} visible, {_steps(stats)} a step"]
    for name in ("place_leak", "trajectory_leak", "motion_lift"):
        if isfinite(stats.get(name, float("nan"))):
            label, form, _ = WORDS[name]
            parts.append(f"{label} {form.format(stats[name])}")
    return "  ·  ".join(parts)


def _values(measured: Mapping[str, Mapping[str, float]], name: str) -> str:
    form = WORDS[name][1]
    found = {key: stats[name] for key, stats in measured.items() if isfinite(stats.get(name, float("nan")))}
    if len(measured) == 1:
        return "".join(form.format(value) for value in found.values())
    return ", ".join(f"{key} {form.format(value)}" for key, value in found.items())


def _steps(stats: Mapping[str, float]) -> str:
    low, high = stats["step_min"], stats["step_max"]
    return f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"


def _ranges(measured: Mapping[str, Mapping[str, float]]) -> str:
    parts = [_steps(s) if len(measured) == 1 else f"{key} {_steps(s)}" for key, s in measured.items()]
    return ", ".join(parts) + " tokens"


def _tokens(measured: Mapping[str, Mapping[str, float]]) -> str:
    return ", ".join(f"{stats['count_max']:.0f}" for stats in measured.values())
