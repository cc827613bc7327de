"""What a process holds is written down after every tenth of many clips, for each reader and kind of file."""

from mvkit.bench import videos
from mvkit.bench.growth import bench_growth


def test_memory_is_recorded_for_every_kind_of_file_made_for_it():
    lines = []
    record = bench_growth(files=1, clips=20, frames=3, size=24, readers=["av"], progress=lines.append)
    assert [(row["files"], row["reader"]) for row in record["results"]] == [("kit", "av"), ("web", "av")]
    for row in record["results"]:
        assert len(row["every_tenth_mb"]) == 10 and row["start_mb"] > 0
        assert (row["start_mb"], row["end_mb"]) == (row["every_tenth_mb"][0], row["every_tenth_mb"][-1])
    assert len(lines) == 2


def test_a_folder_of_videos_is_read_instead(tmp_path):
    videos.make(tmp_path, files=1, frames=12, width=48, height=32)
    record = bench_growth(folder=tmp_path, clips=10, frames=3, size=24, readers=["av"], progress=lambda line: None)
    (row,) = record["results"]
    assert row["files"] == "folder" and row["clips"] == 10
