import torch

from mvkit.train.targets import TargetCache


class Counting:
    """Stands for a method: its one target is the clip's mean, and it counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def targets(self, clips):
        self.asked += len(clips)
        return {"mean": clips.mean((1, 2, 3, 4))}


def clips(count, seed=0):
    return torch.randint(0, 256, (count, 3, 2, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_a_clip_is_asked_for_once_however_often_it_comes():
    method, x = Counting(), clips(3)
    kept = TargetCache(method, 1)
    first = kept(x)["mean"]
    assert torch.equal(kept(x.flip(0))["mean"], first.flip(0))
    assert method.asked == 3


def test_one_changed_pixel_makes_another_clip():
    method, x = Counting(), clips(1)
    kept = TargetCache(method, 1)
    kept(x)
    x[0, 0, 0, 0, 0] += 1
    kept(x)
    assert method.asked == 2


def test_a_full_cache_asks_again_and_says_the_same():
    method, x = Counting(), clips(4)
    kept = TargetCache(method, 1)
    kept.room = 8  # two numbers of four bytes
    assert torch.equal(kept(x)["mean"], kept(x)["mean"])
    assert method.asked == 4 + 2
