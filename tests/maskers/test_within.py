import torch

from mvkit.maskers.nested import NestedMasker
from mvkit.tokens import TokenGrid


def test_tokens_of_a_wider_mask_are_taken_where_the_narrower_one_sees():
    grid = TokenGrid(2, 3, 5)
    masks = NestedMasker(student_ratio=0.7, teacher_ratio=0.3)(grid, 3, generator=torch.Generator().manual_seed(0))
    tokens = torch.randn(3, grid.tokens, 4)
    seen = masks["teacher"].visible(tokens)
    for role in ("student", "extra", "teacher"):
        assert torch.equal(masks[role].within(seen, masks["teacher"]), masks[role].visible(tokens))
