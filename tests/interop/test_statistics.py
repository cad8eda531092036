"""pbt stats against statsmodels, scikit-learn and scipy on the same data, within 1e-6."""

import json
import os
import subprocess

import numpy
import pytest

pytest.importorskip("statsmodels")
pytest.importorskip("sklearn")
import scipy.stats
import statistics_golden as golden

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PBT_BINARY", os.path.join(ROOT, "build", "release", "pbt"))
TOLERANCE = 1e-6


def stats(kind, rows, *options):
    done = subprocess.run([BINARY, "stats", kind, *options], input="".join(json.dumps(row) + "\n" for row in rows),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def distance(a, b):
    return float(numpy.max(numpy.abs(numpy.array(a, dtype=float) - numpy.array(b, dtype=float))))


@pytest.mark.parametrize("seed", range(8))
def test_regression(seed):
    rows = golden.make_rows(n=150 + 30 * seed, d=1 + seed % 7, seed=seed) if seed % 7 > 1 else golden.make_rows(seed=seed)
    ours, theirs = stats("regression", rows, "--standardize"), golden.fit(rows)
    assert ours["converged"] and ours["ridge"] == 0
    worst = {key: distance(ours[key], theirs[key]) for key in theirs}
    print(seed, worst)
    assert all(value <= TOLERANCE for value in worst.values()), worst


@pytest.mark.parametrize("strength", [0.01, 0.5, 3.0])
def test_ridge(strength):
    rows = golden.make_rows(seed=3)
    ours = stats("regression", rows, "--standardize", "--ridge", str(strength))
    assert distance(ours["weights"], golden.ridge(rows, strength)) <= TOLERANCE


@pytest.mark.parametrize("seed", range(3))
def test_cross_validation(seed):
    rows = golden.make_rows(seed=seed)
    ours, theirs = stats("regression", rows, "--folds", str(golden.FOLDS)), golden.validate(rows)
    assert distance(ours["predicted"], theirs["predicted"]) <= TOLERANCE
    assert abs(ours["accuracy"] - theirs["accuracy"]) <= TOLERANCE


def test_separated_classes_get_a_penalty():
    rows = [{"x": [float(i), float(i % 3)], "y": int(i > 9)} for i in range(20)]
    ours = stats("regression", rows, "--standardize")
    assert ours["ridge"] == 0.01 and ours["converged"]
    assert distance(ours["weights"], golden.ridge(rows_with_groups(rows), 0.01)) <= 1e-5


def rows_with_groups(rows):
    return [dict(row, group=0, fold=0) for row in rows]


def test_mcnemar():
    random = numpy.random.default_rng(1)
    for _ in range(20):
        a, b = int(random.integers(0, 60)), int(random.integers(0, 60))
        rows = [{"a": 1, "b": 0}] * a + [{"a": 0, "b": 1}] * b + [{"a": 1, "b": 1}] * 4
        assert abs(stats("mcnemar", rows)["p"] - golden.mcnemar_p(a, b)) <= TOLERANCE


def test_mean_deviation_and_wilson():
    random = numpy.random.default_rng(2)
    x = random.normal(size=40)
    ours = stats("mean", [{"a": float(v)} for v in x])
    assert abs(ours["mean"] - x.mean()) <= TOLERANCE and abs(ours["std"] - x.std(ddof=1)) <= TOLERANCE
    ours = stats("mean", [{"a": int(v)} for v in (x > 0.4)])
    assert distance(ours["wilson95"], golden.wilson(int((x > 0.4).sum()), len(x))) <= TOLERANCE


def test_bootstrap_over_clusters():
    """The draws differ; the interval must be scipy's for the clusters' sums, within what 20,000 draws leave open."""
    random = numpy.random.default_rng(3)
    effect = random.normal(size=60)
    rows = [{"a": float(effect[g] + random.normal()), "b": float(random.normal()), "group": f"q{g}"} for g in range(60) for _ in range(3)]
    ours = stats("bootstrap", rows, "--draws", "20000")
    difference = numpy.array([row["a"] - row["b"] for row in rows])
    assert abs(ours["difference"] - difference.mean()) <= TOLERANCE
    theirs = scipy.stats.bootstrap((difference.reshape(60, 3).mean(1),), numpy.mean, n_resamples=20000, method="percentile",
                                   rng=numpy.random.default_rng(4)).confidence_interval
    width = theirs.high - theirs.low
    assert distance(ours["ci95"], [theirs.low, theirs.high]) <= 0.03 * width
