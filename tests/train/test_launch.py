"""Several processes from one line, and how they ended in one line."""

import json

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from mvkit.errors import OptionError, RunError
from mvkit.train import launch
from mvkit.train.interrupt import Requeue
from tests.train.processes import SPEC, losses


def ended(tmp_path, *codes: int) -> BaseException:
    failures = {rank: ProcessFailure(rank, 100 + rank, code, str(tmp_path / "none")) for rank, code in enumerate(codes)}
    return launch._ended(ChildFailedError("worker", failures))


def test_exit_codes_of_the_processes_say_how_the_job_ended(tmp_path):
    assert isinstance(ended(tmp_path, 75, -15), Requeue)
    assert type(ended(tmp_path, 130, 130)) is KeyboardInterrupt
    killed = ended(tmp_path, -9)
    assert isinstance(killed, RunError) and "process 0 was killed by SIGKILL (out of memory?)" in str(killed)
    assert "ended with exit code 2; its last words are above" in str(ended(tmp_path, 2))


def test_no_process_at_all_is_refused(tmp_path):
    with pytest.raises(OptionError, match="processes must be 1 or more, got 0"):
        launch.fit_in_processes(tmp_path / "spec.json", tmp_path, 0)


@pytest.mark.slow
def test_two_processes_train_to_the_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps(SPEC | {"steps": 2}))
    launch.fit_in_processes(tmp_path / "spec.json", tmp_path / "run", 2)
    assert len(losses(tmp_path)) == 2
