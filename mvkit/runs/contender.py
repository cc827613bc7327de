"""One side of a comparison: the runs of one method with one setting over their seeds, and what they scored and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mvkit import methods
from mvkit.errors import MvkitError
from mvkit.runs.account import Account
from mvkit.runs.notebook import find_notebook
from mvkit.runs.parameters import Parameters
from mvkit.runs.seeds import Group, Spread, differing
from mvkit.train import journal
from mvkit.viz.scores import MEASURES

COSTS = {"training": "minutes of training", "run": "minutes of the whole run", "steps": "optimiser steps"}
_LABEL = 28  # letters that a figure's key has room for


@dataclass(frozen=True)
class Contender:
    """label: the method's title and, where they are few words, what sets it apart. settings: that, in any length."""

    label: str
    settings: str
    group: Group

    @property
    def method(self) -> str:
        return self.group.runs[0].method

    @property
    def title(self) -> str:
        return methods.get(self.method).title

    @property
    def runs(self) -> tuple[Account, ...]:
        """Those that are done, by seed."""
        return self.group.done

    def scores(self, measure: str, encoder: str = "trained") -> dict[str, float]:
        """Seed, as text -> accuracy, 0 to 1, of what was trained or of another encoder that was scored beside it."""
        found = {str(run.seed): scores_of(run, encoder) for run in self.runs}
        return {seed: scores[measure] for seed, scores in found.items() if measure in scores}

    def spread(self, measure: str) -> Spread | None:
        values = list(self.scores(measure).values())
        return Spread.of(values) if values else None

    def cost(self, cost: str) -> dict[str, float]:
        """Seed, as text -> minutes or steps, one of COSTS; a run that does not tell is left out."""
        found = {str(run.seed): _cost(run, cost) for run in self.runs}
        return {seed: value for seed, value in found.items() if value > 0}

    def journals(self) -> list[list[dict[str, Any]]]:
        return [lines for run in self.runs if (lines := journal.read(run.folder.metrics))]

    def asked(self) -> dict[str, Any]:
        """The settings that are not its notebook's own."""
        try:
            declared = Parameters.read(find_notebook(self.group.notebook))
        except MvkitError:
            return dict(self.group.settings)
        settings = self.group.settings.items()
        return {name: value for name, value in settings if name not in declared or value != declared[name].default}


def contenders(found: Sequence[Group]) -> dict[str, Contender]:
    """By label, in the order of the groups."""
    made: dict[str, Contender] = {}
    for group in found:
        title = methods.get(group.runs[0].method).title
        told = _told(group, [other for other in found if other.runs[0].method == group.runs[0].method])
        label = f"{title} ({told})" if told else title
        if len(label) > _LABEL:
            label = next(one for n in range(1, len(found) + 1) if (one := f"{title} {n}") not in made)
        made[label] = Contender(label, told, group)
    return made


def scores_of(run: Account, encoder: str = "trained") -> dict[str, float]:
    """`kNN motion` -> accuracy, 0 to 1."""
    end, found = f", {encoder}", {}
    for name, value in run.measures.items():
        if name.startswith("scores: ") and name.endswith(end):
            measure, _, labels = name.removeprefix("scores: ").removesuffix(end).partition(" ")
            found[measure_of(measure, labels)] = value
    return found


def measure_of(measure: str, labels: str) -> str:
    """As figures and tables call it."""
    return f"{MEASURES.get(measure, measure)} {labels}"


def _told(group: Group, same: Sequence[Group]) -> str:
    """What sets a group apart from the others of its method, in words."""
    names = differing([one.settings for one in same])
    told = [group.notebook] if len({one.notebook for one in same}) > 1 else []
    told += [f"{name} {_short(group.settings[name])}" for name in names if group.settings.get(name) not in (None, "")]
    if sum(one.settings == group.settings and one.notebook == group.notebook for one in same) > 1:
        told.append(f"code {group.code}")
    return ", ".join(told)


def _short(value: Any) -> Any:
    return PurePath(value).name if isinstance(value, str) and "/" in value else value


def _cost(run: Account, cost: str) -> float:
    """Minutes, or steps; 0 where the run does not tell."""
    if cost == "run":
        return float(run.status.get("seconds", 0)) / 60
    if cost == "steps":
        return float(run.spec.get("steps", 0))
    clips = run.spec.get("batch", 0) * run.spec.get("repeats", 1)
    return _seconds(journal.read(run.folder.metrics), clips) / 60


def _seconds(lines: Sequence[Mapping[str, Any]], clips: int) -> float:
    """Of training, from the speeds in a journal. clips: of a step."""
    seconds, last = 0.0, 0
    for line in lines:
        if line.get("clips_per_s"):
            seconds, last = seconds + (line["step"] - last) * clips / line["clips_per_s"], line["step"]
    return seconds
