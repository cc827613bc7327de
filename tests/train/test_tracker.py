"""A tracker hears what the journal says."""

from types import SimpleNamespace

import pytest
import torch

import mvkit
from mvkit.errors import OptionError
from mvkit.train import RunSpec
from mvkit.train.tracker import open_tracker

SPEC = RunSpec(
    options={"size": "tiny", "patch": 8, "ratio": 0.75}, frames=4, image=16, steps=3, batch=4, log_every=1,
    device="cpu", precision="fp32", tracker="tensorboard",
)  # fmt: skip


def source(first: int):
    while True:
        clips = torch.zeros(4, 3, 4, 16, 16, dtype=torch.uint8)
        yield SimpleNamespace(clips=clips, indices=torch.arange(4), replaced=[])


def test_tensorboard_has_the_numbers_of_the_journal(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra 'track' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = mvkit.fit(SPEC, source, out=tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step, pytest.approx(loss)) for step, loss in zip(*run.journal.column("loss"), strict=True)
    ]


def test_without_a_folder_a_tracker_is_refused():
    with pytest.raises(OptionError, match="give the run a folder with out="):
        open_tracker("tensorboard", None)
    assert open_tracker("", None) is None
