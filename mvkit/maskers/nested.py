"""Nested masking: the teacher sees everything the student sees, and more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from mvkit.errors import MaskError
from mvkit.maskers._ratio import count_visible, rounding_option
from mvkit.maskers._select import by_column, uniform
from mvkit.maskers.base import MaskContext, Masker, MaskSet, option
from mvkit.tokens import TokenGrid


@dataclass(frozen=True)
class NestedMasker(Masker):
    """One ranking of the places, two cuts, the same in every step; roles student, teacher and extra.

    student.visible are the tokens both see, extra.visible the tokens only the teacher sees, teacher.visible their
    union (160, 232 and 392 at 8x14x14). A teacher fed as [student, extra] tokens concatenates the two in that order.
    Paper: AMD, arXiv:2311.03149.
    """

    title: ClassVar[str] = "Nested"
    paper: ClassVar[str] = "AMD, arXiv:2311.03149"
    exact: ClassVar[str] = "step"
    aliases: ClassVar[tuple[str, ...]] = ("asymmetric",)

    student_ratio: float = option(0.9, "share of the places hidden from the student", low=0, high=1)
    teacher_ratio: float = option(0.75, "share of the places hidden from the teacher", low=0, high=1)
    rounding: str = rounding_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher_ratio > self.student_ratio:
            raise MaskError(
                f"NestedMasker: teacher_ratio {self.teacher_ratio} must not exceed student_ratio {self.student_ratio}: "
                "the teacher sees all that the student sees"
            )

    def _places(self, grid: TokenGrid) -> tuple[int, int]:
        student, teacher = (
            count_visible(grid.places, ratio, self.rounding) for ratio in (self.student_ratio, self.teacher_ratio)
        )
        return student, teacher

    def counts(self, grid: TokenGrid) -> dict[str, int]:
        student, teacher = self._places(grid)
        return {"student": grid.t * student, "teacher": grid.t * teacher, "extra": grid.t * (teacher - student)}

    def draw(self, grid: TokenGrid, batch: int, generator: torch.Generator, context: MaskContext) -> MaskSet:
        student, teacher = self._places(grid)
        rank = uniform(batch, grid.places, generator=generator).argsort(1).argsort(1)
        return MaskSet(
            {
                "student": by_column(-rank, student, grid),
                "teacher": by_column(-rank, teacher, grid),
                "extra": by_column(-((rank - student) % grid.places), teacher - student, grid),
            }
        )
