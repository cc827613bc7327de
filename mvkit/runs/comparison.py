"""Methods compared over whatever runs there are: scores, curves, cost, differences, and what is missing.

Only runs on the same clips are compared: those of the set of clips on which most methods have been trained. Runs that
differ in their seeds alone are one contender.
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import Any

import numpy as np

from mvkit import methods
from mvkit.errors import OptionError, unknown
from mvkit.runs.account import Account
from mvkit.runs.contender import COSTS, contenders, measure_of, scores_of
from mvkit.runs.paired import Paired, holm, paired
from mvkit.runs.seeds import Spread, groups
from mvkit.viz import bands
from mvkit.viz.latex import escape

NOTEBOOKS = {
    "videomae": "02_videomae", "mvd": "03_mvd", "amd": "04_amd", "maskagain": "05_maskagain", "umt": "06_umt"
}  # fmt: skip
MOST = 10  # contenders that tables and figures can hold; those with most seeds stay
_NOTHING = "No run here has trained and scored an encoder yet; section “What is missing” has the commands that do."


class Comparison:
    """runs: any accounts; those that are done, and have trained and scored an encoder, count.

    contenders: by label, in the order of NOTEBOOKS. clips: what all of them have seen. left_out: run -> why it is not
    compared.
    """

    def __init__(self, runs: Iterable[Account]) -> None:
        trained = [run for run in runs if run.done and run.method]
        self.left_out = {run.name: "no scores of what it trained" for run in trained if not scores_of(run)}
        by_clips: dict[Any, list[Account]] = {}
        for run in trained:
            if run.name not in self.left_out:
                by_clips.setdefault(run.clips or run.name, []).append(run)
        chosen = max(by_clips.values(), key=lambda those: (len({r.method for r in those}), len(those)), default=[])
        others = [run for those in by_clips.values() if those is not chosen for run in those]
        self.left_out |= {run.name: f"other clips: {run.clips_in_words}" for run in others}
        self.clips = chosen[0].clips_in_words if chosen else "none"
        found = sorted(groups(chosen), key=lambda group: -len(group.done))
        self.left_out |= {run.name: f"more than {MOST} contenders" for group in found[MOST:] for run in group.runs}
        place = {method: number for number, method in enumerate(NOTEBOOKS)}
        found = sorted(found[:MOST], key=lambda group: place.get(group.runs[0].method, len(place)))
        self.contenders = contenders(found)

    def __bool__(self) -> bool:
        return bool(self.contenders)

    def __repr__(self) -> str:
        """What is compared, in one line."""
        if not self:
            return _NOTHING
        runs = sum(len(one.runs) for one in self.contenders.values())
        codes = len({one.group.code.partition("-")[0] for one in self.contenders.values()})
        mixed = f" They are of {codes} versions of the code: a difference may be theirs." if codes > 1 else ""
        return f"Runs {runs}, contenders {len(self.contenders)}, on the same clips ({self.clips}).{mixed}"

    @property
    def series(self) -> dict[str, str]:
        """Label -> title of the method, for colours and keys."""
        return {label: one.title for label, one in self.contenders.items()}

    @property
    def measures(self) -> list[str]:
        """Those that any contender has, as `kNN motion`."""
        runs = [run for one in self.contenders.values() for run in one.runs]
        return list(dict.fromkeys(name for run in runs for name in scores_of(run)))

    def scores(self) -> dict[str, Any]:
        """As `viz.scores.comparison` takes them: measure -> label -> one accuracy a seed, 0 to 1; and chance levels."""
        chance: dict[str, float] = {}
        for run in (run for one in self.contenders.values() for run in one.runs):
            for score in run.results.get("scores", []):
                chance[measure_of(score["measure"], score["labels"])] = score["chance"]
        values = {
            measure: {label: np.array(list(found.values())) for label, one in self.contenders.items()
                      if (found := one.scores(measure))}
            for measure in self.measures
        }  # fmt: skip
        return {"values": values, "chance": {measure: chance[measure] for measure in values if measure in chance}}

    def table(self) -> list[dict[str, Any]]:
        """A row a contender: settings where they differ, n, mean ± standard deviation over seeds (n - 1) by measure."""
        rows = []
        for label, one in self.contenders.items():
            spreads = {measure: str(one.spread(measure) or "") for measure in self.measures}
            rows.append({"method": label, "settings": one.settings, "n": len(one.runs), **spreads})
        if not any(row["settings"] for row in rows):
            rows = [{name: value for name, value in row.items() if name != "settings"} for row in rows]
        return rows

    def latex(self) -> str:
        """The same for a paper, with booktabs: per cent, the highest mean of a measure in bold."""
        names = self.measures
        found = {label: [one.spread(name) for name in names] for label, one in self.contenders.items()}
        best = [max(spread.mean for spread in column if spread) for column in zip(*found.values(), strict=True)]
        lines = [rf"\begin{{tabular}}{{l r {'c' * len(names)}}}", r"\toprule"]
        lines += [" & ".join(["Method", "$n$", *map(escape, names)]) + r" \\", r"\midrule"]
        for label, spreads in found.items():
            cells = [_percent(spread, highest) for spread, highest in zip(spreads, best, strict=True)]
            lines.append(" & ".join([escape(label), str(len(self.contenders[label].runs)), *cells]) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def curves(self) -> dict[str, Any]:
        """What was watched while they trained, as `viz.bands.seeds` takes it; {} where nothing was.

        Losses are not among it: methods have different targets, so theirs cannot be compared.
        """
        journals = {label: lines for label, one in self.contenders.items() if (lines := one.journals())}
        lines = [line for runs in journals.values() for run in runs for line in run]
        watched = list(dict.fromkeys(name for line in lines for name in line if name.startswith("monitor/")))
        return {**bands.of_journals(journals, watched), "roles": self.series} if watched else {}

    def points(self, measure: str, cost: str) -> dict[str, np.ndarray]:
        """As `viz.cost.accuracy` takes them: label -> (S, 2), cost and accuracy of each seed.

        measure: "" takes the first. Raises OptionError for an unknown measure or cost.
        """
        measure = self.measure(measure)
        if cost not in COSTS:
            raise OptionError(unknown("cost", cost, COSTS))
        found = {}
        for label, one in self.contenders.items():
            scores, costs = one.scores(measure), one.cost(cost)
            if pairs := [(costs[seed], scores[seed]) for seed in scores if seed in costs]:
                found[label] = np.array(pairs)
        return found

    def measure(self, name: str = "") -> str:
        """A measure, or for "" the first. Raises OptionError."""
        if name and name not in self.measures:
            raise OptionError(unknown("measure", name, self.measures))
        return name or next(iter(self.measures), "")

    def differences(self, baseline: str = "") -> list[Paired]:
        """Every contender less the baseline, by measure, over the seeds both have.

        baseline: a label, "untrained" for each run's own encoder before training, or "" for the first contender.
        Raises OptionError for a baseline that is not there.
        """
        if not self:
            return []
        baseline = baseline or next(iter(self.contenders))
        if baseline not in (*self.contenders, "untrained"):
            raise OptionError(unknown("baseline", baseline, [*self.contenders, "untrained"]))
        found = []
        for measure in self.measures:
            for label, one in self.contenders.items():
                own = baseline == "untrained"
                before = one.scores(measure, "untrained") if own else self.contenders[baseline].scores(measure)
                after = one.scores(measure)
                if (seeds := [seed for seed in after if seed in before]) and label != baseline:
                    pairs = ([values[seed] for seed in seeds] for values in (before, after))
                    found.append(paired(measure, baseline, label, *pairs))
        return holm(found)

    def missing(self, seeds: int = 3) -> list[dict[str, str]]:
        """What a fair comparison still wants, and the command that makes it. seeds: of every contender."""
        rows, wanted = [], ",".join(map(str, range(seeds)))
        there = {one.method for one in self.contenders.values()}
        for name, notebook in NOTEBOOKS.items():
            if name not in there:
                what = f"{methods.get(name).title}: no run" + (" on these clips" if self else "")
                rows.append({"missing": what, "command": f"mvkit sweep {notebook} -g seed={wanted}"})
        for label, one in self.contenders.items():
            if len(one.runs) < seeds:
                has = ", ".join(str(run.seed) for run in one.runs)
                said = "".join(f" -p {quote(f'{name}={value}')}" for name, value in one.asked().items())
                command = f"mvkit sweep {one.group.notebook}{said} -g seed={wanted}"
                rows.append({"missing": f"{label}: {len(one.runs)} of {seeds} seeds (has {has})", "command": command})
        return rows


def _percent(spread: Spread | None, best: float) -> str:
    if spread is None:
        return "--"
    mean = f"{100 * spread.mean:.1f}"
    told = rf"\mathbf{{{mean}}}" if spread.mean == best else mean
    return f"${told}$" if spread.deviation is None else rf"${told} \pm {100 * spread.deviation:.1f}$"
