import pytest

from mvkit.checkpoints import open_teacher
from mvkit.train import RunSpec, presets
from mvkit.viz.teaching import Teaching

OPTIONS = {"size": "tiny", "patch": 8}


@pytest.fixture
def short(monkeypatch, tmp_path):
    """The embedded chain with two steps on a few small clips, in a folder of its own."""

    def embedded(method: str, preset: str = "quick", **_) -> RunSpec:
        clips = {"clips": 6, "val": 2}
        return RunSpec(method=method, options=OPTIONS, data=clips, frames=4, stride=2, image=16, batch=4, steps=2)

    monkeypatch.setattr(presets, "embedded", embedded)
    monkeypatch.chdir(tmp_path)


def test_a_teacher_that_is_not_there_is_trained_and_the_next_time_found(short, capsys):
    lines = []
    first, second = Teaching("quick", then=lines.append), Teaching("quick")
    said = first("videomae")
    assert said == second("videomae") and open_teacher(said).encoder.grid.t == 2
    assert first.rows[0]["how"] == "trained, 2 steps" and second.rows[0]["how"] == "found"
    assert lines[-1]["step"] == 2
    assert "teacher videomae   step 2/2" in capsys.readouterr().err
    assert said in repr(second) and "found" in second._repr_html_()


def test_a_teacher_that_is_given_is_left_alone(short, tmp_path):
    taught = Teaching("quick")
    assert taught("mae", given="timm:vit_tiny") == "timm:vit_tiny"
    assert taught.table().loc["mae"].tolist() == ["given", 0, "timm:vit_tiny"]
    assert not (tmp_path / "reports").exists()
