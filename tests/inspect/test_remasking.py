import pytest
import torch

from mvkit import maskers
from mvkit.errors import MaskError
from mvkit.inspect.remasking import agreement, levels
from mvkit.methods.maskagain import MaskAgain, weigh
from mvkit.models.teachers import Teacher
from mvkit.models.vit import VideoViT
from mvkit.tokens import TokenGrid

GRID = TokenGrid(2, 3, 4)
WEIGHTS = {"onlykd": False, "gamma": 0.2, "alpha": 0.1, "beta": 1.0, "beta_kd1": 3.0, "beta_kd2": 1.0}


def build(mode: str = "hybrid", heads: int = 2) -> MaskAgain:
    """6 of 12 places visible in each of 2 steps; 3 keys a row and 5 tokens a clip are kept."""
    torch.manual_seed(0)
    student = VideoViT(GRID, patch=4, width=16, depth=2, heads=2, final_norm=False)
    teacher = VideoViT(GRID, patch=4, width=16, depth=3, heads=heads)
    for parameter in (*student.parameters(), *teacher.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    return MaskAgain(
        encoder=student, teacher=Teacher(teacher), masker=maskers.create("tube", ratio=0.5), projections=None, block=2,
        teacher_block=3, weights=weigh(mode, **WEIGHTS), num_k=3, num_f=5,
    )  # fmt: skip


def look(method):
    clips = torch.rand(2, 3, 4, 12, 16, generator=torch.Generator().manual_seed(1))
    mask = method.masker(GRID, 2, generator=torch.Generator().manual_seed(2)).primary
    with torch.no_grad():
        return mask, *method.look(clips, mask)


def visible(mask, row=0):
    return GRID.place(int(mask.visible_ids[row, 4]))


def test_every_level_keeps_as_many_as_the_loss_does_and_only_of_what_is_visible():
    method = build()
    mask, student, _ = look(method)
    found = levels(method, student, method.block, mask, visible(mask, 1), row=1)
    kept = {level: values.nansum((1, 2)).tolist() for level, values in found.kept.items()}
    assert sum(kept["global"]) == 3 and kept["local"] == [3, 3] and sum(kept["output"]) == 5
    for values in (*found.kept.values(), *found.values.values()):
        assert torch.equal(values.isnan(), mask.volume()[1])


def test_kept_are_the_largest_of_the_values_shown():
    method = build()
    mask, _, teacher = look(method)
    query = visible(mask)
    found = levels(method, teacher, method.teacher_block, mask, query, head=1)
    for level in ("global", "output"):
        values, kept = found.values[level], found.kept[level]
        assert values[kept == 1].min() > values[kept == 0].max()
    assert found.values["global"].nansum() == pytest.approx(1)
    assert found.values["local"].nansum((1, 2)).tolist() == pytest.approx([1, 1])
    row = int((mask.visible_ids[0] < GRID.index(*query)).sum())
    wanted = teacher.heads[3].weights[0, 1, row]
    assert torch.equal(found.values["global"][~mask.volume()[0]], wanted)


def test_levels_that_the_mode_leaves_out_are_left_out():
    method = build("hinTop")
    mask, student, teacher = look(method)
    assert list(levels(method, student, 2, mask, visible(mask)).kept) == ["global", "output"]
    assert list(agreement(method, student, teacher)) == ["global", "output"]


def test_a_hidden_query_is_refused():
    method = build()
    mask, student, _ = look(method)
    hidden = GRID.place(int(mask.hidden_ids[0, 0]))
    with pytest.raises(MaskError, match="is hidden in clip 0"):
        levels(method, student, method.block, mask, hidden)


def test_a_network_agrees_with_itself_and_another_agrees_less():
    method = build()
    _, student, teacher = look(method)
    method.teacher_block = method.block
    itself = agreement(method, student, student)
    assert {level: said["agree"] for level, said in itself.items()} == {"global": 1, "local": 1, "output": 1}
    assert {level: said["chance"] for level, said in itself.items()} == pytest.approx(
        {"global": 3 / 12, "local": 3 / 6, "output": 5 / 12}
    )
    method.teacher_block = 3
    assert agreement(method, student, teacher)["global"]["agree"] < 1


def test_heads_of_different_number_are_not_compared():
    method = build(heads=4)
    _, student, teacher = look(method)
    assert list(agreement(method, student, teacher)) == ["output"]
