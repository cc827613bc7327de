"""What holds for each recording with tensors: all of it is reproduced, and no error in it goes unseen."""

import pytest

# How many groups each has to have, so that none is passed over without a word.
GROUPS = {
    "amd_public": 286, "maskagain_public": 138, "maskagain_public_base": 121, "mvd_public": 36,
    "umt_stage1_public": 104, "umt_stage2_public": 78, "umt_stage2_qa_public": 8, "videomae_pretrain_public": 24,
}  # fmt: skip


def needs_text(name: str) -> None:
    if "stage2" in name:
        pytest.importorskip("transformers", reason="text models need the extra `text`")


@pytest.mark.parametrize("recording", GROUPS, indirect=True)
def test_every_recorded_group_of_the_official_step_is_reproduced(recording):
    needs_text(recording.name)
    results = recording.results()
    assert [r.line() for r in results.values() if not r.passed] == []
    assert len(results) == GROUPS[recording.name]


@pytest.mark.parametrize("recording", GROUPS, indirect=True)
def test_an_error_of_a_thousandth_in_an_expected_value_fails_its_group_alone(recording):
    needs_text(recording.name)
    groups, expected = recording.results().keys(), set()

    def nudge(tensors, _):
        for name in groups & {name for name, tensor in tensors.items() if tensor.is_floating_point()}:
            tensors[name].view(-1)[:2][-1] += 1e-3
            expected.add(name)

    recording.change(nudge)
    assert recording.failed() == expected and len(expected) > 5
