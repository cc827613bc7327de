import pytest
import torch

from mvkit import methods
from mvkit.errors import OptionError
from mvkit.eval import scorecard


def test_every_encoder_is_scored_on_every_label_set_by_every_measure():
    torch.manual_seed(0)
    encoder = methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder.eval()
    labels = torch.arange(16) % 2
    clips = (torch.randint(0, 99, (16, 3, 4, 16, 16)) + 120 * labels.view(-1, 1, 1, 1, 1)).to(torch.uint8)
    data = (clips, {"light": labels, "none": torch.arange(16) // 8})
    seen = []
    scores = scorecard({"a": encoder, "b": encoder}, data, data, few=8, epochs=1, progress=seen.append)
    assert scores == seen and len(scores) == 2 * 2 * 3
    assert {(s.encoder, s.labels, s.measure) for s in scores} >= {("a", "light", "knn"), ("b", "none", "finetune")}
    assert all(0 <= s.accuracy <= 1 and s.chance == 0.5 for s in scores)
    assert [s.accuracy for s in scores[:6]] == [s.accuracy for s in scores[6:]]


def test_the_attentive_probe_is_scored_where_it_is_asked_for():
    torch.manual_seed(0)
    encoder = methods.create("videomae", size="tiny", frames=4, image=16, patch=8).encoder.eval()
    labels = torch.arange(16) % 2
    clips = (torch.randint(0, 99, (16, 3, 4, 16, 16)) + 120 * labels.view(-1, 1, 1, 1, 1)).to(torch.uint8)
    data = (clips, {"light": labels})
    (score,) = scorecard({"a": encoder}, data, data, measures=["attentive"])
    assert (score.measure, score.accuracy) == ("attentive", 1.0)


def test_an_unknown_measure_is_refused():
    with pytest.raises(OptionError, match="unknown measure 'knnn'; did you mean 'knn'"):
        scorecard({}, (torch.zeros(0), {}), (torch.zeros(0), {}), measures=["knnn"])
