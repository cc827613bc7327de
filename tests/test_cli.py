"""The command line as a user meets it: exit codes, one-line errors, JSON, and how soon it answers."""

import json
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.main import get_command

from mvkit.cli import app, call


def commands(group, path: str = "") -> list[str]:
    """Every command line that there is, the groups among them."""
    below = [commands(found, f"{path} {name}".strip()) for name, found in getattr(group, "commands", {}).items()]
    return [path, *(line for lines in below for line in lines)]


COMMANDS = commands(get_command(app))


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with notebooks/tiny.ipynb, one parameter `steps`; 13 steps fail."""
    nb = new_notebook(
        cells=[
            new_markdown_cell("# Tiny"),
            new_code_cell("steps: int = 2  # how many [1..20]", metadata={"tags": ["parameters"]}),
            new_code_cell("if steps == 13:\n    raise ValueError('thirteen')\nsteps"),
        ]
    )
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nb, tmp_path / "notebooks" / "tiny.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MVKIT_DEBUG", raising=False)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    assert call([*command.split(), "--help"]) == 0
    assert f"Example: mvkit {command}".rstrip() in capsys.readouterr().out


def test_help_answers_within_a_second_and_loads_neither_torch_nor_a_kernel():
    code = "import sys; from mvkit.cli import call; call(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    began = time.process_time(), time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.monotonic() - began[1] < 5  # 0.1 s on a quiet machine; this bound only catches a loaded torch
    for module in ("torch", "nbformat", "papermill", "nbclient", "pydantic", "numpy", "rich", "mvkit.runs"):
        assert f"'{module}'" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "tiny", "-p", "stpes=3"], "unknown parameter 'stpes'; did you mean 'steps'"),
        (["run", "tiny", "-p", "steps=many"], "parameter 'steps' wants int [1..20], got 'many'"),
        (["run", "tiny", "-p", "steps=21"], "parameter 'steps' wants int [1..20], got '21'"),
        (["run", "tiny", "-p", "steps"], "-p steps: wanted name=value"),
        (["run", "tiny", "-p", "steps=1", "-p", "steps=2"], "-p steps is given twice"),
        (["run", "tny"], "did you mean 'tiny'"),
        (["run", "tiny", "--timeout", "0"], "timeout must be seconds above 0"),
        (["run", "tiny", "--cell-timeout", "0"], "cell_timeout must be seconds above 0"),
        (["run", "tiny", "--params", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["diff", "tiny", "tiny"], "no run 'tiny'"),
        (["init"], "call it inside one"),
        (["notebooks", "check", "nowhere.ipynb"], "nowhere.ipynb is not a notebook"),
        (["run"], "Missing argument"),
        (["sing"], "sing"),
        (["demo", "--video", "nowhere.mp4"], "nowhere.mp4: no such file"),
        (["report", "tiny"], "no run 'tiny'"),
        (["parity", "nowhere"], "no recordings: nowhere does not exist"),
        (["data", "audit", "notebooks"], "no videos below it"),
        (["data", "make", "--size", "7"], "size"),
        (["data", "audit", "nothere"], "nothere: no such file or folder"),
        (["data", "ingest", "nothere", "--out", "x"], "nothere: no such file or folder"),
        (["train", "nowhere.json", "--out", "x"], "'nowhere.json' does not exist"),
        (["train", "notebooks", "--out", "x"], "'notebooks' is a directory"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(project, capsys, arguments, message):
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mvkit: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (project / "reports").exists()


def test_debug_shows_the_traceback(project, monkeypatch):
    monkeypatch.setenv("MVKIT_DEBUG", "1")
    with pytest.raises(ValueError, match="no run 'tiny'"):
        call(["report", "tiny"])


def test_run_report_and_failure_tell_the_truth_to_people_and_programs(project, capsys):
    assert call(["run", "tiny", "-p", "steps=3", "--json"]) == 0
    out, err = capsys.readouterr()
    first = json.loads(out)
    assert (first["state"], first["exit_code"], first["shown"]) == ("done", 0, False)
    assert Path(first["report"]).is_file()
    assert "cell 3/3" in err
    assert call(["run", "tiny", "-p", "steps=3"]) == 0
    assert "done before, not run again" in capsys.readouterr().out

    assert call(["run", "tiny", "-p", "steps=13"]) == 1
    assert "failed in cell 3 of 3: ValueError: thirteen" in capsys.readouterr().err

    assert call(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["failed", "done"]
    assert call(["report", f"tiny/{first['run'].split('/')[1][:4]}", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["report"] == first["report"]


def test_parameters_are_listed_with_type_range_and_help(project, capsys):
    assert call(["run", "tiny", "--parameters"]) == 0
    assert capsys.readouterr().out == "steps: int [1..20] = 2  # how many\n"
    assert call(["run", "tiny", "--parameters", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {"name": "steps", "type": "int [1..20]", "default": 2, "help": "how many"}


def test_a_run_that_another_process_works_on_is_exit_code_3(project, capsys):
    from mvkit.runs.folder import RunFolder, RunLock

    with RunLock(RunFolder.of(project / "notebooks" / "tiny.ipynb", {"steps": 2})).take():
        assert call(["run", "tiny"]) == 3
    assert "already running" in capsys.readouterr().err


def test_demo_hands_its_video_over_as_an_absolute_path(project, monkeypatch):
    asked = {}

    def run_notebook(notebook, values, **options):
        asked.update(notebook=notebook, **values)
        raise KeyboardInterrupt

    monkeypatch.setattr("mvkit.runs.run.run_notebook", run_notebook)
    (project / "a clip.mp4").touch()
    assert call(["demo", "--video", "a clip.mp4", "--preset", "long"]) == 130
    assert asked == {"notebook": "00_quickstart", "preset": "long", "video": str(project / "a clip.mp4")}


def test_lab_serves_the_notebooks_to_this_machine_only(project, monkeypatch):
    started = []
    monkeypatch.setattr("os.execve", lambda program, arguments, env: started.append((program, arguments, env)))
    assert call(["lab", "--port", "8899", "--", "--no-browser"]) == 0
    ((program, arguments, env),) = started
    assert program == sys.executable
    assert arguments[1:3] == ["-m", "jupyterlab"]
    assert {"--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={project / 'notebooks'}", "--no-browser"} <= set(
        arguments
    )
    assert not any("token" in argument for argument in arguments)  # Jupyter's own random one stays
    assert env["JUPYTER_PREFER_ENV_PATH"] == "1"


def test_a_set_is_made_audited_and_ingested(project, capsys):
    making = ["data", "make", "--clips", "2", "--val", "1", "--frames", "12", "--size", "32"]
    assert call(making) == 0
    manifest = Path(capsys.readouterr().out.strip())
    assert call([*making, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["manifest"], said["clips"], said["size"]) == (str(manifest), 2, 32)
    assert manifest.is_file()
    assert manifest.parent.parent == Path("data/moving_shapes")
    assert call(["data", "audit", str(manifest), "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["state"] for record in records] == ["good", "good"]
    assert call(["data", "ingest", str(manifest.parent), "--out", "small", "--short-side", "16"]) == 0
    assert len(list(Path("small").rglob("*.mp4"))) == 2
    rooted = ["--root", str(manifest.parent), "--out", "rooted", "--short-side", "16"]
    assert call(["data", "ingest", str(manifest.parent), *rooted]) == 0
    assert sorted(str(path) for path in Path("rooted").rglob("*.mp4")) == [
        "rooted/clips/000000.mp4",
        "rooted/clips/000001.mp4",
    ]
    broken = manifest.parent / "clips" / "000000.mp4"
    broken.write_bytes(broken.read_bytes()[:200])
    assert call(["data", "audit", str(manifest)]) == 1
    assert "unreadable" in capsys.readouterr().out


def test_every_card_is_listed(capsys):
    assert call(["data", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"moving_shapes", "kinetics400"} <= {row["name"] for row in rows}


def test_doctor_tries_the_kernel_and_names_every_part(capsys):
    code = call(["doctor", "--json"])
    results = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"python", "torch", "av", "decord", "torchcodec", "kernel", "disk", "browser", "slurm"} == set(results)
    assert "plain H.264: exact, open-group H.264: exact" in results["av"]["found"]
    assert sys.executable in results["kernel"]["found"]
    assert code == (0 if all(row["ok"] for row in results.values()) else 1)
    assert all(row["ok"] or row["repair"] for row in results.values())


def test_parity_exits_1_on_a_failed_group_and_0_otherwise(project, monkeypatch, capsys):
    from mvkit.parity.recording import GroupResult

    passed, failed = GroupResult("f", "loss", 0.0, 1e-5), GroupResult("f", "loss", float("inf"), 1e-5, "why")
    for results, code in (([passed], 0), ([passed, failed], 1)):
        monkeypatch.setattr("mvkit.parity.check", lambda folder, only, results=results: iter(results))
        assert call(["parity", "x"]) == code
        assert capsys.readouterr().out.splitlines() == [result.line() for result in results]
        assert call(["parity", "x", "--json"]) == code
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["passed"] for row in rows] == [result.passed for result in results]


def test_version_is_the_packages(capsys):
    from mvkit import __version__

    assert call(["version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_the_console_script_works_and_a_closed_pipe_is_no_error():
    script = Path(sys.executable).with_name("mvkit")
    done = subprocess.run(f"'{script}' data list | head -1", shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_train_watches_resumes_and_says_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = {
        "options": {"size": "tiny", "patch": 8, "ratio": 0.5}, "data": {"clips": 20, "val": 8, "frames": 6},
        "frames": 4, "image": 16, "steps": 2, "batch": 4, "log_every": 1, "monitor_every": 1,
        "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert call(["train", "spec.json", "--out", "run"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"monitor/knn/appearance", "monitor/knn/motion"} <= {name for line in lines for name in line}
    assert [line["step"] for line in lines if "loss" in line] == [1, 2]
    capsys.readouterr()
    assert call(["train", "spec.json", "--out", "run", "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["folder"], said["going_on_from"], said["replaced"]) == ("run", "step_000002", {})
    assert said["last"]["step"] == 2 and said["last"]["loss"] == lines[-2]["loss"]
    assert "going on from step_000002" in err
    assert call(["train", "spec.json", "--out", "run"]) == 0
    assert "done: run" in capsys.readouterr().out


def test_help_of_train_lists_every_field_of_the_spec_with_type_and_default(capsys):
    from mvkit.train import RunSpec

    assert call(["train", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name in RunSpec.model_fields:
        assert f" {name}: " in words
    for field in ('method: str = "videomae"', "options: dict[str, Any] = {}", "clip_grad: float | None = null"):
        assert field in words
