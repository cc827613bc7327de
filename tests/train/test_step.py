"""Options of a step that cost or save something and change no result."""

import pytest
import torch

import mvkit
from mvkit.errors import OptionError
from mvkit.train import RunSpec
from tests.train.clips import source

SPEC = RunSpec(
    options={"size": "tiny", "patch": 8, "ratio": 0.75, "drop_path": 0.2}, frames=4, image=16, steps=3, batch=4,
    lr=0.03, log_every=1, device="cpu", precision="fp32", clip_grad=1.0,
)  # fmt: skip


def losses(**changes) -> list[float]:
    return mvkit.fit(SPEC.model_copy(update=changes), source).journal.column("loss")[1]


def test_deterministic_kernels_change_nothing_on_a_cpu_and_are_given_back():
    assert losses(deterministic=True) == losses()
    assert not torch.are_deterministic_algorithms_enabled()


def test_fp16_is_refused_where_there_is_no_cuda():
    with pytest.raises(OptionError, match="precision=fp16 is for CUDA devices, this run is on cpu"):
        losses(precision="fp16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="fp16 wants a CUDA device")
def test_fp16_trains_near_fp32_and_goes_on_with_its_scale(tmp_path):
    half = SPEC.model_copy(update={"device": "cuda", "precision": "fp16", "steps": 6})
    run = mvkit.fit(half, source, out=tmp_path)
    single = mvkit.fit(half.model_copy(update={"precision": "fp32"}), source)
    assert run.journal.column("loss")[1] == pytest.approx(single.journal.column("loss")[1], rel=0.05)
    (newest,) = (tmp_path / "checkpoint").iterdir()
    assert torch.load(newest / "training.pt", weights_only=True)["scaler"]["scale"] > 0


def test_only_broken_clips_of_the_process_that_had_them_are_named():
    from mvkit.errors import RunError

    def broken(first):
        for batch in source(first):
            batch.indices = torch.tensor([7, 3, 9, 1])
            yield batch

    with pytest.raises(RunError, match=r"on clips \[7, 3, 9, 1\]; nothing was kept on disk"):
        mvkit.fit(SPEC.model_copy(update={"lr": 1e30, "clip_grad": None}), broken)
