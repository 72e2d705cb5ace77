"""The reliability diagram: what is drawn, where it goes, what it needs."""

import sys

import numpy as np
import pytest
from fresh import run_fresh

from spacy_lstm_ner.component.reliability import reliability_bins
from spacy_lstm_ner.reports.metrics import wilson_interval
from spacy_lstm_ner.reports.plots import draw_reliability

SIGNATURES = {".svg": b"<?xml", ".png": b"\x89PNG\r\n", ".pdf": b"%PDF"}


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs the extra `plots`")


@pytest.fixture
def drawn(matplotlib, monkeypatch):
    """The figures that are saved."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figures, savefig = [], Figure.savefig

    def keep(figure, *args, **kwargs):
        figures.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def spans(n, seed=0):
    rng = np.random.default_rng(seed)
    confidences = rng.random(n)
    return confidences, rng.random(n) < confidences**2


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_same_spans_same_file(matplotlib, tmp_path, suffix):
    paths = [tmp_path / f"{name}{suffix}" for name in "abc"]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        draw_reliability(*spans(200, seed), path, title="demo")
    first, second, other = (path.read_bytes() for path in paths)
    assert first.startswith(SIGNATURES[suffix])
    assert first == second
    assert first != other
    assert b"<dc:date>" not in first
    assert b"CreationDate" not in first


def test_points_and_intervals_are_those_of_the_bins(drawn, tmp_path):
    confidences, correct = spans(305)
    draw_reliability(confidences, correct, tmp_path / "a.svg", title="demo on dev")
    (figure,) = drawn
    above, below = figure.axes
    bins = reliability_bins(confidences, correct)
    diagonal, points = (line.get_xydata() for line in above.lines[:2])
    assert diagonal.tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(points, np.transpose([bins.confidence, bins.accuracy]))
    ends = np.array(above.collections[0].get_segments())
    np.testing.assert_allclose(ends[:, :, 0], np.stack([bins.confidence] * 2, axis=1))
    n_right = np.rint(bins.accuracy * bins.n_spans)
    limits = np.stack(wilson_interval(n_right, bins.n_spans), axis=1)
    np.testing.assert_allclose(ends[:, :, 1], limits)
    assert figure.get_suptitle() == "demo on dev"
    assert (above.get_ylabel(), below.get_xlabel(), below.get_ylabel()) == (
        "share that is right",
        "confidence",
        "spans",
    )


def test_title_gives_the_measures(drawn, tmp_path):
    confidences = np.array([0.25] * 1000 + [0.75] * 1000)
    correct = np.array([False] * 1000 + [True] * 1000)
    draw_reliability(confidences, correct, tmp_path / "a.png", title="demo")
    above, _ = drawn[0].axes
    assert above.get_title() == "ECE 0.250, AUROC 1.000, n = 2,000"


def test_distribution_counts_right_and_wrong_spans(drawn, tmp_path):
    confidences, correct = spans(300)
    draw_reliability(confidences, correct, tmp_path / "a.png", title="demo")
    _, below = drawn[0].axes
    right, wrong = (
        [bar.get_height() for bar in bars.patches] for bars in below.containers
    )
    assert sum(right) == correct.sum()
    assert sum(wrong) == (~correct).sum()
    assert right == np.histogram(confidences[correct], 20, (0, 1))[0].tolist()


@pytest.mark.parametrize(
    ("confidences", "correct"),
    [([], []), ([1.0], [True]), ([0.0, 1.0], [False, False])],
    ids=["none", "one", "wrong"],
)
def test_few_spans(matplotlib, tmp_path, confidences, correct):
    path = tmp_path / "a.png"
    draw_reliability(np.array(confidences), np.array(correct), path, title="demo")
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("title", ["", "$x_$", r"5$ \alpha <&>"])
def test_any_title(matplotlib, tmp_path, title):
    draw_reliability(*spans(20), tmp_path / "a.svg", title=title)


def test_no_global_state(matplotlib, tmp_path):
    script = (
        "import sys, warnings\n"
        "from pathlib import Path\n"
        "warnings.simplefilter('error', UserWarning)\n"
        "import numpy as np\n"
        "from spacy_lstm_ner.reports import plots\n"
        "print('matplotlib' in sys.modules)\n"
        "import matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "spans = np.array([0.2, 0.7]), np.array([False, True])\n"
        f"path = Path({str(tmp_path / 'a.svg')!r})\n"
        "plots.draw_reliability(*spans, path, title='demo')\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
        "print(matplotlib.rcParams != before)\n"
    )
    assert run_fresh(script).split() == ["False"] * 3


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = tmp_path / "a.svg"
    with pytest.raises(
        ImportError, match=r'L205.*pip install "spacy-lstm-ner\[plots]"'
    ):
        draw_reliability(*spans(20), path, title="demo")
    assert not path.exists()


@pytest.mark.parametrize("name", ["a.gif", "a", "a.SVG2"])
def test_other_endings(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"L100.*suffix of output.*\.svg.*\.png.*\.pdf"
    ):
        draw_reliability(*spans(20), tmp_path / name, title="demo")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("confidences", "correct", "code"),
    [([0.5], [True, False], "L020"), ([1.5], [True], "L021")],
)
def test_bad_input_leaves_no_file(matplotlib, tmp_path, confidences, correct, code):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=code):
        draw_reliability(np.array(confidences), np.array(correct), path, title="demo")
    assert not path.exists()
