import pytest
import torch
from sklearn.metrics import average_precision_score

from mvkit.errors import DataError, OptionError, ShapeError
from mvkit.eval.classification import classification, few_rows
from mvkit.eval.features import clip_features
from mvkit.eval.knn import knn_accuracy
from mvkit.eval.multilabel import average_precisions, mean_average_precision, probe_scores, track_labels
from mvkit.train import clips_and_labels
from tests.eval.told import changed, vl_run


def test_accuracy_with_all_labels_is_what_the_parts_give(told):
    run = vl_run()
    found = classification(run, told, labels=["motion"], measures=["knn"])
    (near, have), (far, wanted) = (clips_and_labels(run.spec, told.split(name)) for name in ("train", "val"))
    features = clip_features(run.method.encoder, near), clip_features(run.method.encoder, far)
    by_hand = knn_accuracy(features[0], have["motion"], features[1], wanted["motion"], k=8)
    assert found.score("accuracy", shown="clip") == pytest.approx(by_hand)
    assert found.score("accuracy", shown="chance") == 0.25
    assert {row.of["shown"] for row in found.rows} == {"clip", "one frame", "untrained, clip", "chance"}


def test_a_larger_draw_of_few_labels_begins_with_the_smaller_and_short_classes_are_named():
    labels = torch.tensor([0, 1, 0, -1, 1, 0, 2, 0])
    one, short = few_rows(labels, 1, seed=3)
    two, lacking = few_rows(labels, 2, seed=3)
    assert sorted(labels[one].tolist()) == [0, 1, 2] and not short
    assert set(one.tolist()) < set(two.tolist()) and lacking == [2]
    assert few_rows(labels, 0, seed=3)[0].tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert any(few_rows(labels, 1, seed=s)[0].tolist() != one.tolist() for s in range(4))


def test_few_labels_make_a_curve_and_what_lacks_is_named(told):
    first = next(i for i, s in enumerate(told) if s.split == "val")
    found = classification(
        vl_run(), changed(told, {first: {"labels": {}}}), labels=["motion"], measures=["probe"], few=(1, 99)
    )
    assert [row.of["few"] for row in found.rows if row.of["shown"] == "clip"] == [1, 99]
    assert len(found.left_out["clips without 'motion' (val)"]) == 1
    assert found.left_out["classes of 'motion' with fewer than 99 clips"] == ["right", "down", "left", "up"]
    assert found.rows[0].values["accuracy"].clips == 7


@pytest.mark.parametrize("measure", ["attentive", "finetune"])
def test_every_measure_names_each_test_clip(told, measure):
    found = classification(vl_run(), told, labels=["motion"], measures=[measure], epochs=1)
    assert found.rows[0].values["accuracy"].clips == 8


def test_strange_names_are_refused(told):
    with pytest.raises(OptionError, match="unknown measure 'svm'"):
        classification(vl_run(), told, measures=["svm"])
    with pytest.raises(OptionError, match="use few=0"):
        classification(vl_run(), told, several=True, few=(4,))


def test_tracks_give_a_clip_several_classes_and_a_probe_for_each(told):
    wanted = track_labels(told.samples, "motion", 4)
    assert wanted.sum(1).tolist() == [2] * 16  # two things that move two ways, or one that turns
    found = classification(vl_run(), told, labels=["motion"], several=True)
    assert 0 < found.score("mAP", shown="clip") <= 1 and found.score("mAP", shown="chance") == pytest.approx(0.5)
    with pytest.raises(DataError, match="labels of 'speed'"):
        track_labels(told.samples, "speed", 4)


def by_hand(scores: list[float], right: list[bool]) -> float:
    """Precision after each group of equal scores, weighted by the share of the right ones in it."""
    total, found, seen, value = sum(right), 0, 0, 0.0
    for level in sorted(set(scores), reverse=True):
        here = [r for s, r in zip(scores, right, strict=True) if s == level]
        found, seen = found + sum(here), seen + len(here)
        value += sum(here) / total * found / seen
    return value


@pytest.mark.parametrize("levels", [1000, 3])  # 3: many ties
def test_average_precision_is_scikit_learns_and_a_slow_one_by_hand(levels):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(levels, (23, 5), generator=generator).double()
    wanted = torch.rand(23, 5, generator=generator) < 0.3
    wanted[:, 3] = False
    found = average_precisions(scores, wanted)
    assert bool(found[3].isnan()) and not bool(found[[0, 1, 2, 4]].isnan().any())
    for k in (0, 1, 2, 4):
        assert float(found[k]) == pytest.approx(by_hand(scores[:, k].tolist(), wanted[:, k].tolist()))
    full = [0, 1, 2, 4]
    macro = average_precision_score(wanted[:, full].numpy(), scores[:, full].numpy(), average="macro")
    mean = mean_average_precision(scores, wanted)
    assert mean.value == pytest.approx(macro) and mean.low <= mean.value <= mean.high


def test_no_classes_at_all_and_scores_that_broke_are_refused():
    with pytest.raises(DataError, match="nothing to average"):
        mean_average_precision(torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.bool))
    with pytest.raises(ShapeError, match="finite"):
        average_precisions(torch.full((3, 2), torch.nan), torch.ones(3, 2, dtype=torch.bool))


def test_a_class_that_all_or_none_of_the_clips_have_scores_nothing():
    x, labels = torch.randn(12, 3), torch.zeros(12, 3, dtype=torch.bool)
    labels[:, 1], labels[:, 2] = True, x[:, 0] > 0
    scores = probe_scores(x, labels, x, strength=1.0)
    assert not bool(scores[:, :2].any()) and bool((scores[labels[:, 2], 2] > scores[~labels[:, 2], 2].max()).all())
