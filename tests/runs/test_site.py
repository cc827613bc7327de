"""The site of a set of runs: what its tables say, what it refuses, and how it does in a browser without a network."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest

from mvkit.bench.lab import chromium, find_chromium
from mvkit.cli import call
from mvkit.errors import RunError
from mvkit.runs.account import Account
from mvkit.runs.folder import RunFolder
from mvkit.runs.measures import leading, measures
from mvkit.runs.seeds import groups
from mvkit.runs.site.choice import choose
from mvkit.runs.site.compare import same_clips
from mvkit.runs.site.look import POLICY
from mvkit.runs.site.script import SCRIPT
from mvkit.runs.site.writing import write_site

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def make(reports: Path, name: str, *, state: str = "done", accuracy: float = 0.25, spec=None, **options) -> RunFolder:
    """A run's folder as its runner leaves it. name: <notebook>/<id>."""
    run = RunFolder(reports / name)
    run.figures.mkdir(parents=True)
    cause = {} if state == "done" else {"cause": "ValueError: a < b", "cell": 4}
    status = {"state": state, "run": name, "started": "2026-01-02T03:04:05+00:00", "seconds": 12.5, **cause}
    code = {"commit": "abcdef0123456789", "hash": "c0de" * 16, "mvkit": "0.1.0"}
    record = {"command": ["mvkit", "run"], "code": code, "notebook": {"hash": "0" * 64}, "versions": {"python": "3.11"}}
    score = {"encoder": "student", "labels": "motion", "measure": "knn", "accuracy": accuracy, "chance": 0.125}
    spec = {"method": "mvd", "card": "moving_shapes", "data": {"seed": 0}, "image": 64} if spec is None else spec
    written = {"status": status, "params": options, "provenance": record, "spec": spec}
    if state == "done":
        written["results"] = {"loss": 0.5, "scores": [score], "broken": options.pop("broken", {})}
        (run.figures / "scores.png").write_bytes(PNG)
        run.report.write_text("<!doctype html><title>A run</title>")
    for stem, content in written.items():
        (run.path / f"{stem}.json").write_text(json.dumps(content))
    return run


def sweep(reports: Path, runs: list[dict]) -> None:
    folder = reports / "sweeps" / "many"
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text(json.dumps({"name": "many", "runs": runs}))


@pytest.fixture
def reports(tmp_path) -> Path:
    """Two settings with three and two seeds, one that failed, one that therefore never began, a broken video."""
    home = tmp_path / "reports"
    for seed, accuracy in enumerate((0.2, 0.3, 0.4)):
        make(home, f"03_mvd/{seed}aaaaaaaaa", accuracy=accuracy, ratio=0.75, seed=seed)
    for seed in range(2):
        broken = {"broken": {"clips/bad.avi": "no video stream"}} if seed else {}
        make(home, f"03_mvd/{seed}bbbbbbbbb", accuracy=0.5, ratio=0.9, seed=seed, **broken)
    make(home, "02_videomae/failed0000", state="failed", ratio=0.9, seed=0)
    planned = [
        {"run": "02_videomae/failed0000", "parameters": {"ratio": 0.9, "seed": 0}, "needs": []},
        {"run": "03_mvd/student000", "parameters": {"ratio": 0.5, "seed": 0}, "needs": ["02_videomae/failed0000"]},
    ]
    sweep(home, planned)
    return home


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_measures_have_names_that_can_be_read_and_speeds_are_none():
    score = {"encoder": "MVD", "labels": "motion", "measure": "knn", "accuracy": 0.25, "chance": 0.125}
    results = {"loss": 1, "flag": True, "words": "no", "psnr": {"a": 2.0}, "scores": [score], "seconds": 9}
    assert measures(results, "mvd") == {"loss": 1, "psnr: a": 2.0, "scores: knn motion, trained": 0.25}
    assert "scores: knn motion, MVD" in measures(results, "amd")


def test_what_a_run_trained_is_shown_before_what_it_is_compared_with():
    names = ["masks: leak", "scores: knn motion, VideoMAE", "psnr: a", "loss", "scores: knn motion, trained"]
    assert leading(names, 3) == ["scores: knn motion, trained", "loss", "psnr: a"]


def test_runs_are_those_of_the_folder_and_those_that_a_sweep_never_began(reports):
    found = {run.name: run for run in choose(reports)}
    assert len(found) == 7
    assert found["03_mvd/student000"].state == "skipped"
    assert found["03_mvd/student000"].cause.startswith("needs 02_videomae/failed0000, failed: cell 4: ValueError")
    assert {run.name for run in choose(reports, ["sweeps/many"])} == {"02_videomae/failed0000", "03_mvd/student000"}
    assert [run.name for run in choose(reports, ["03_mvd/0a", "03_mvd/0aaaaaaaaa"])] == ["03_mvd/0aaaaaaaaa"]
    with pytest.raises(RunError, match="no run '04_amd'"):
        choose(reports, ["04_amd"])


def test_one_run_in_two_folders_is_refused_and_a_sweep_cannot_point_outside(reports, tmp_path):
    make(tmp_path / "other", "03_mvd/0aaaaaaaaa", seed=0)
    with pytest.raises(RunError, match="give one of them"):
        choose(reports, [str(reports), str(tmp_path / "other")])
    record = reports / "sweeps" / "many" / "sweep.json"
    record.write_text(json.dumps({"runs": [{"run": "../../x", "parameters": {}}]}))
    with pytest.raises(RunError, match="outside its reports folder"):
        choose(reports)


def test_seeds_are_put_together_and_code_is_not(reports):
    runs = choose(reports)
    spreads = {g.settings.get("ratio"): g.spread("scores: knn motion, trained") for g in groups(runs) if g.done}
    assert (str(spreads[0.75]), spreads[0.75].n) == ("0.3 ± 0.1", 3)
    assert (str(spreads[0.9]), spreads[0.9].n) == ("0.5 ± 0", 2)
    other = json.loads((reports / "03_mvd/0aaaaaaaaa/provenance.json").read_text())
    other["code"]["hash"] = "beef" * 16
    (reports / "03_mvd/0aaaaaaaaa/provenance.json").write_text(json.dumps(other))
    assert [g.spread("loss").n for g in groups(choose(reports)) if g.settings.get("ratio") == 0.75] in ([2, 1], [1, 2])


def test_students_of_teachers_that_differ_by_seed_are_one_group(tmp_path):
    for seed in range(2):
        make(tmp_path, f"02_videomae/{seed}", seed=seed)
        make(tmp_path, f"03_mvd/{seed}", seed=seed, teacher=f"run:reports/02_videomae/{seed}")
    assert sorted(len(group.runs) for group in groups(choose(tmp_path))) == [2, 2]


def test_runs_that_name_each_other_do_not_hang(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        make(tmp_path, f"03_mvd/{name}", teacher=f"run:reports/03_mvd/{other}")
    assert len(groups(choose(tmp_path))) in (1, 2)


def test_only_runs_on_the_same_clips_are_compared(tmp_path):
    sample = {"method": "mvd", "card": "moving_shapes", "data": {}, "image": 64}
    for seed in range(2):
        make(tmp_path, f"00_quickstart/{seed}", seed=seed, spec={**sample, "seed": seed})  # clips drawn from the seed
        make(tmp_path, f"03_mvd/{seed}", seed=seed, spec={**sample, "data": {"seed": 7}, "seed": seed})
    make(tmp_path, "03_mvd/small", spec={**sample, "data": {"seed": 7}, "image": 32})
    make(tmp_path, "12_paper_figures/a", spec={}, width="auto")
    make(tmp_path, "12_paper_figures/b", spec={}, width="auto")  # neither says which clips: not the same for that
    together, alone = same_clips(choose(tmp_path))
    assert [sorted(run.name for run in group) for group in together] == [["03_mvd/0", "03_mvd/1"]]
    assert len(alone) == 5


def test_the_first_page_says_means_causes_broken_videos_and_provenance(reports, tmp_path):
    page = write_site(choose(reports), tmp_path / "site").read_text()
    said = text(page)
    for words in (
        "5 done, 1 failed, 1 skipped",
        "03_mvd, ratio 0.75 3",
        "0.3 ± 0.1 [0.2, 0.4]",
        "cell 4: ValueError: a &lt; b",
        "needs 02_videomae/failed0000",
        "clips/bad.avi no video stream 1 03_mvd/1bbbbbbbbb",
        "abcdef0123",
        "mvkit 0.1.0, c0dec0d",
    ):
        assert words in said
    assert page.count("<caption") == page.count("<table") == page.count("</table>")
    assert "<form hidden" in page and "<tr hidden" not in page  # without the script: no dead control, every row
    assert str(tmp_path) not in page


def test_the_site_can_be_moved_and_written_again_but_not_over_something_else(reports, tmp_path):
    site = tmp_path / "site"
    write_site(choose(reports), site)
    shutil.move(site, tmp_path / "moved")
    for page in (tmp_path / "moved").glob("*.html"):
        for link in re.findall(r'(?:src|href)="([^"#][^"]*)"', page.read_text()):
            assert (tmp_path / "moved" / link).is_file(), link
    write_site(choose(reports, ["03_mvd"]), tmp_path / "moved")
    assert not (tmp_path / "moved/runs/02_videomae").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="something else than a site"):
        write_site(choose(reports), tmp_path / "full")
    with pytest.raises(RunError, match="no runs to report on"):
        write_site([], tmp_path / "none")


def test_what_runs_have_written_cannot_bring_a_script_or_a_tag(tmp_path):
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    make(tmp_path / "reports", "03_mvd/a", note=evil, broken={evil: evil})
    make(tmp_path / "reports", "03_mvd/b", note="other")
    write_site(choose(tmp_path / "reports"), tmp_path / "site")
    for page in (tmp_path / "site").glob("*.html"):
        html = page.read_text()
        assert "<img src=x" not in html
        assert re.findall(r"<script>(.*?)</script>", html, re.DOTALL) == [SCRIPT]


def test_a_broken_file_hides_no_other_run(reports, tmp_path):
    (reports / "03_mvd/0aaaaaaaaa/results.json").write_text("{")
    states = {run.name: run.state for run in choose(reports)}
    assert states["03_mvd/0aaaaaaaaa"] == "unreadable" and len(states) == 7
    assert "is not JSON" in text(write_site(choose(reports), tmp_path / "site").read_text())


def test_a_thousand_finished_runs_take_seconds_and_few_pictures(tmp_path):
    for number in range(1000):
        make(tmp_path / "reports", f"03_mvd/{number:010}", ratio=number // 5 / 1000, seed=number % 5)
    began = time.process_time()
    runs = choose(tmp_path / "reports")
    page = write_site(runs, tmp_path / "site")
    assert time.process_time() - began < 8  # 2 s of processor time on an idle machine
    assert page.stat().st_size < 2_000_000
    assert page.read_text().count('<tr data-state="done"') == 1000
    assert len(list((tmp_path / "site/runs").rglob("*.png"))) <= 12 + 6


def test_the_command_lists_as_before_and_writes_a_site(reports, tmp_path, capsys):
    assert call(["report", "--reports", str(reports), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6 and {row["state"] for row in rows} == {"done", "failed"}  # what never began is no run yet
    assert call(["report", "03_mvd", "--reports", str(reports), "--out", str(tmp_path / "site")]) == 0
    assert capsys.readouterr().out.startswith("5 runs: ")
    assert (tmp_path / "site/index.html").is_file()


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine to open the site with")
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser, reports, tmp_path):
    """visit(page, width) -> the page opened offline; at the end nothing may have failed or been complained about."""
    site, wrong = write_site(choose(reports), tmp_path / "site").parent, []
    contexts = []

    def opened(name: str, width: int, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("requestfailed", lambda request: wrong.append(request.url))
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto((site / name).as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["index.html", "figures.html", "compare.html"])
def test_a_page_is_no_wider_than_the_screen_and_misses_no_picture(visit, name, width):
    tab = visit(name, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    pictures = tab.locator("img")
    assert (pictures.count() > 0) == (name != "index.html")
    for number in range(pictures.count()):
        pictures.nth(number).scroll_into_view_if_needed()
        tab.wait_for_function("n => document.images[n].complete && document.images[n].naturalWidth > 0", arg=number)
    assert POLICY in tab.content()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_rows_are_filtered_by_words_and_state_and_sorted_by_a_column(visit, width):
    tab = visit("index.html", width)
    rows = tab.locator("#runs tbody tr:visible")
    assert rows.count() == 7
    tab.get_by_label("words in a row").fill("0.75 done")
    assert rows.count() == 3 and "3 of 7 runs" in tab.content()
    tab.get_by_label("words in a row").fill("")
    tab.get_by_label("state").select_option("skipped")
    assert rows.all_inner_texts()[0].startswith("03_mvd/student000")
    tab.get_by_label("state").select_option("")
    header = tab.locator("#runs thead th", has_text="knn motion, trained")
    header.get_by_role("button").focus()
    tab.keyboard.press("Enter")
    column = header.evaluate("header => header.cellIndex")

    def values() -> list[str]:
        return tab.locator(f"#runs tbody tr > :nth-child({column + 1})").all_inner_texts()

    assert header.get_attribute("aria-sort") == "ascending"
    assert values() == ["0.2", "0.3", "0.4", "0.5", "0.5", "", ""]
    tab.keyboard.press("Enter")
    assert values() == ["0.5", "0.5", "0.4", "0.3", "0.2", "", ""]


@pytest.mark.browser
def test_without_script_all_rows_are_there_and_no_control(visit):
    tab = visit("index.html", 1280, java_script_enabled=False)
    assert tab.locator("#runs tbody tr").count() == 7
    assert tab.locator("form").is_hidden() and tab.locator("#runs button").count() == 0


def test_an_account_of_a_run_that_goes_on_reads_replaced_videos_from_its_journal(tmp_path):
    run = make(tmp_path, "03_mvd/a", state="failed")
    run.metrics.write_text('{"step": 1, "replaced": "clips/bad.avi", "reason": "short"}\n{"step": 2, "lo')
    assert Account.of(run).broken == {"clips/bad.avi": "short"}
