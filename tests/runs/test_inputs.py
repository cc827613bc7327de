"""Bad files given as parameters: refused in one line before a folder is made or a kernel starts."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from mvkit.data.shapes.writer import encode
from mvkit.errors import OptionError
from mvkit.runs import run_notebook

CELL = 'clip: str = ""  # a video of your own <video>'


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_notebook) -> Path:
    """A project with a notebook that wants a video, and one file of each bad sort beside a good one."""
    root = tmp_path_factory.mktemp("project")
    make_notebook(root, "clip", parameters=CELL)
    clip = encode(np.random.default_rng(0).integers(0, 255, (30, 32, 48, 3), np.uint8), 25)
    still = encode(np.zeros((1, 32, 48, 3), np.uint8), 25)
    torn = bytearray(clip)
    torn[len(clip) // 2 : len(clip) // 2 + 3000] = bytes(3000)
    files = {"good": clip, "empty": b"", "text": b"no video\n" * 99, "cut": clip[:200], "torn": torn, "still": still}
    for name, data in files.items():
        (root / f"{name}.mp4").write_bytes(data)
    with av.open(str(root / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        out.mux([*stream.encode(sound), *stream.encode(None)])
    return root


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "no such file"),
        ("empty", "empty"),
        ("text", "not a readable video"),
        ("cut", "not a readable video"),
        ("torn", "damaged"),
        ("still", "one frame only"),
        ("sound", "no video stream in it, only audio"),
    ],
)
def test_a_file_that_is_no_sound_video_is_refused_before_anything_is_made(project, name, reason):
    notebook = project / "notebooks" / "small.ipynb"
    with pytest.raises(OptionError, match=f"'clip' wants str <video>: .*{name}.mp4.*{reason}") as refused:
        run_notebook(notebook, {"clip": f"{name}.mp4"}, progress=False)
    assert "\n" not in str(refused.value)
    assert not (project / "reports").exists()


def test_a_good_video_passes_without_loading_torch(project):
    code = "import sys\nfrom pathlib import Path\nfrom mvkit.runs.inputs import video\n"
    code += "video(Path(sys.argv[1]))\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(project / "good.mp4")], check=True)
