"""Makes tests/data/golden/statistics: data, and what statsmodels, scikit-learn and scipy make of it.

    python tests/interop/statistics_golden.py
"""

import json
import os

import numpy
import scipy.stats
import statsmodels.api
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "tests", "data", "golden", "statistics")
FOLDS = 10


def make_rows(n=240, d=6, seed=7, noise=1.0):
    """Correlated features on unlike scales, a yes or no that depends on some of them, groups of unlike size."""
    random = numpy.random.default_rng(seed)
    x = random.normal(size=(n, d)) @ (numpy.eye(d) + 0.3 * random.normal(size=(d, d)))
    x = x * numpy.logspace(-1, 2, d) + numpy.arange(d)
    z = (x - x.mean(0)) / x.std(0)
    y = (z[:, 1] - 1.5 * z[:, 2] + 0.4 * z[:, 0] + noise * random.logistic(size=n) > 0.2).astype(int)
    group = random.integers(0, n // 4, size=n)
    fold = random.permutation(n) % FOLDS
    return [{"x": [float(v) for v in x[i]], "y": int(y[i]), "group": int(group[i]), "fold": int(fold[i])} for i in range(n)]


def arrays(rows):
    return tuple(numpy.array([row[key] for row in rows]) for key in ("x", "y", "group", "fold"))


def fit(rows):
    """Weights, errors and tests of statsmodels on standardised features; the intercept first."""
    x, y, group, _ = arrays(rows)
    design = statsmodels.api.add_constant(StandardScaler().fit_transform(x))
    model = statsmodels.api.Logit(y, design)
    plain = model.fit(method="newton", disp=0, tol=1e-14, maxiter=100)
    robust = model.fit(method="newton", disp=0, tol=1e-14, maxiter=100, cov_type="cluster", cov_kwds={"groups": group})
    return {"weights": list(plain.params), "errors": list(plain.bse), "z": list(plain.tvalues), "p": list(plain.pvalues),
            "p_by_group": list(robust.pvalues), "log_likelihood": float(plain.llf)}


def ridge(rows, strength):
    """scikit-learn's weights under the penalty strength / 2 * |weights|^2."""
    x, y, _, _ = arrays(rows)
    model = LogisticRegression(C=1 / strength, tol=1e-12, max_iter=10000, solver="newton-cholesky")
    model.fit(StandardScaler().fit_transform(x), y)
    return [float(model.intercept_[0])] + [float(w) for w in model.coef_[0]]


def validate(rows):
    """Probabilities of the held-out folds, standardised on the others."""
    x, y, _, fold = arrays(rows)
    predicted = numpy.zeros(len(y))
    for k in range(FOLDS):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=numpy.inf, tol=1e-12, max_iter=10000, solver="newton-cholesky"))
        model.fit(x[fold != k], y[fold != k])
        predicted[fold == k] = model.predict_proba(x[fold == k])[:, 1]
    return {"predicted": list(predicted), "accuracy": float(((predicted > 0.5) == y).mean())}


def mcnemar_p(only_a, only_b):
    return float(mcnemar([[3, only_a], [only_b, 5]], exact=True).pvalue)


def wilson(k, n):
    return [float(v) for v in proportion_confint(k, n, method="wilson")]


def main():
    os.makedirs(FOLDER, exist_ok=True)
    rows = make_rows()
    with open(os.path.join(FOLDER, "rows.jsonl"), "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    counts = [(0, 0), (1, 0), (3, 9), (12, 12), (5, 40), (130, 90), (0, 300)]
    shares = [(0, 10), (3, 10), (10, 10), (57, 190), (1, 1000)]
    expected = {"fit": fit(rows), "ridge": {"strength": 0.7, "weights": ridge(rows, 0.7)}, "folds": validate(rows),
                "mcnemar": [{"only_a": a, "only_b": b, "p": mcnemar_p(a, b)} for a, b in counts],
                "wilson": [{"k": k, "n": n, "interval": wilson(k, n)} for k, n in shares],
                "binomial": float(scipy.stats.binomtest(3, 12).pvalue)}
    with open(os.path.join(FOLDER, "expected.json"), "w") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
