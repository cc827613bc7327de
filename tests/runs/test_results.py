"""What `run.finish()` shows: everything in results.json, as it is, readable in a page."""

from mvkit.runs.results import Results

RESULTS = Results(
    loss=0.03123456,
    psnr={"VideoMAE": 18.25, "mean <b>": 12.0},
    masks={"Tube": {"count": 80, "leak": 1.0}, "Random": {"count": 80, "leak": 0.8}},
    scores=[{"encoder": "trained", "accuracy": 0.5}, {"encoder": "untrained", "chance": 0.125}],
    figures=["clips", "masks"],
    broken={},
    note=None,
)


def test_every_name_and_number_is_shown_rounded_and_escaped():
    html = RESULTS._repr_html_()
    for name in RESULTS:
        assert f">{name}</th>" in html
    for text in ("0.03123<", "18.25", "mean &lt;b&gt;", "trained", "0.125", "clips, masks", ">none<"):
        assert text in html
    assert "<b>" not in html


def test_records_become_one_table_named_ones_side_by_side():
    html = RESULTS._repr_html_()
    for name in ("Tube", "Random", "encoder", "accuracy", "chance"):
        assert html.count(f'<th scope="col">{name}</th>') == 1
    for name in ("count", "leak"):
        assert html.count(f'<th scope="row">{name}</th>') == 1
    assert html.count("<table>") == 1 + 2 + 1  # all, the two of records, the named numbers


def test_in_a_terminal_it_is_json():
    assert '"loss": 0.03123456' in repr(RESULTS)
