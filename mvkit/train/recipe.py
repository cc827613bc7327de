"""A published pre-training run: what its script said, as a table and as a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mvkit import cards, methods
from mvkit.errors import OptionError, unknown
from mvkit.train.spec import RunSpec

# Names of papers and scripts -> cards.
CARDS = {
    "k400": "kinetics400",
    "k710": "kinetics710",
    "ssv2": "something_something_v2",
    "ucf101": "ucf101",
    "webvid": "webvid",
}
PRECISION = "fp16 with loss scaling there; bf16, or fp32 where the device is poor at it, here"
# Betas, decay and the rest as in all five. Eight readers are ours: set them for the machine.
_COMMON: dict[str, Any] = {
    "frames": 16, "stride": 4, "image": 224, "sampling": "dense", "augment": "pretrain",
    "weight_decay": 0.05, "beta2": 0.95, "precision": "auto", "workers": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One published run: what its script said, and the spec that does the same here.

    data: a key of CARDS. part, parts: clips a GPU took at once, and GPUs times accumulation; their product is the batch
    that the rate is scaled by, and one process here goes through as many parts of that size. epochs: as published.
    passes: over the list, of the schedule: the scripts of VideoMAE, MVD and UMT have one more, whose weights VideoMAE
    and MVD did not publish; AMD counts four copies of a clip as four epochs. lr, min_lr: base rates per 256 clips.
    warmup: epochs. teachers: role -> the checkpoint that was used. spec_fields: other fields of RunSpec. differs: from
    the released code, or what is not certain.
    """

    method: str
    size: str
    data: str
    part: int
    parts: int
    epochs: int
    passes: int
    lr: float = 1.5e-4
    min_lr: float = 1e-5
    warmup: int = 40
    options: Mapping[str, Any] = field(default_factory=dict)
    spec_fields: Mapping[str, Any] = field(default_factory=dict)
    teacher_size: str = ""
    teachers: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def name(self) -> str:
        taught = f"_from_{self.teacher_size}" if self.teacher_size else ""
        return f"{self.method}_{self.size}{taught}_{self.data}{self.suffix}"

    @property
    def short(self) -> str:
        """The name without the teacher's size; several may have the same."""
        return f"{self.method}_{self.size}_{self.data}{self.suffix}"

    @property
    def batch(self) -> int:
        return self.part * self.parts

    @property
    def effective_lr(self) -> float:
        return self.lr * self.batch / 256

    @property
    def effective_min_lr(self) -> float:
        return self.min_lr * self.batch / 256

    def spec(self, teachers: Mapping[str, str], *, manifest: str = "", root: str = "", clips: int = 0) -> RunSpec:
        """The run as a spec, see `recipes.recipe`; teachers by role."""
        if missing := [role for role in self.teachers if not teachers.get(role)]:
            used = "; ".join(f"{role} was {self.teachers[role]}" for role in missing)
            raise OptionError(
                f"recipe '{self.name}' needs {' and '.join(missing)}; in the paper {used}; "
                f"give {missing[0]}=file:<path>, run:<folder> or timm:<name>"
            )
        if strange := [role for role, said in teachers.items() if said and role not in self.teachers]:
            raise OptionError(f"recipe '{self.name}': {unknown('teacher', strange[0], self.teachers)}")
        epoch = self.steps_of_epoch(clips)
        return RunSpec(
            method=self.method,
            options={"size": self.size, **self.options, **{role: teachers[role] for role in self.teachers}},
            card=CARDS[self.data],
            data={key: value for key, value in (("manifest", manifest), ("root", root)) if value},
            steps=epoch * self.passes,
            warmup=epoch * self.warmup,
            batch=self.batch,
            accumulate=self.parts,
            lr=self.lr,
            min_lr=self.min_lr,
            checkpoint_every=epoch,  # so the two newest at the end have the epoch before the last among them
            **{**_COMMON, **self.spec_fields},
        )

    def clips(self) -> int:
        """Clips of the card's training list."""
        count = cards.load(CARDS[self.data]).splits["train"].clips
        if count is None:
            raise OptionError(f"card '{CARDS[self.data]}' does not know its training clips: give clips=")
        return count

    def steps_of_epoch(self, clips: int = 0) -> int:
        """Whole batches in a list of `clips`, 0 for the card's. Raises OptionError if there is none."""
        clips = clips or self.clips()
        if clips < self.batch:
            raise OptionError(f"recipe '{self.name}': {clips} clips do not fill one batch of {self.batch}")
        return clips // self.batch

    def rows(self, clips: int = 0) -> dict[str, str]:
        """What the table says, line by line, for a list of `clips`, 0 for the card's."""
        steps = self.steps_of_epoch(clips)
        copies = self.spec_fields.get("repeats", 1)
        end = f"; epoch {self.epochs} ends with step {steps * self.epochs}" if self.passes > self.epochs else ""
        lines = {
            "batch": f"{self.batch} clips: {self.part} a GPU x {self.parts}"
            + (f"; {copies} copies of each, not counted in the rate" if copies > 1 else ""),
            "base rate": f"{self.lr:g} per 256 clips, down to {self.min_lr:g}",
            "EFFECTIVE RATE": f"{self.effective_lr:g}, down to {self.effective_min_lr:g}",
            "epochs": f"{self.epochs} published; schedule of {self.passes}, {self.warmup} of warm-up",
            "steps": f"{steps * self.passes}: {steps} an epoch of {clips or self.clips()} clips{end}",
        }
        return {**lines, **self.teachers, "differs": "\n".join((*self.differs, PRECISION))}

    def table(self, clips: int = 0) -> str:
        """`rows` as text, a line each."""
        lines = [f"{self.name}: {methods.get(self.method).paper}"]
        for name, value in self.rows(clips).items():
            lines.append(f"  {name:16} " + value.replace("\n", "\n" + " " * 19))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()
