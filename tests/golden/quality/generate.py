# SPDX-License-Identifier: Apache-2.0
"""Golden values of agreement, annotator models and ratings from other people's programs.

    python3 -m venv v && v/bin/pip install crowd-kit==1.4.2 krippendorff==0.9.0 scikit-learn==1.9.1 statsmodels==0.15.0
    v/bin/python generate.py     # writes golden.json beside itself

Data are made here by numpy's PCG64 with fixed seeds, and written out with the results, so no test needs Python.
Where a program's convention differs from ours, see README.md.
"""
import importlib.metadata
import json
import pathlib
import sys

import krippendorff
import numpy as np
import pandas as pd
from crowdkit.aggregation import MACE, BradleyTerry, DawidSkene, NoisyBradleyTerry, OneCoinDawidSkene
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa


def crowd(seed, items, raters, classes, coverage, accuracies):
    """Labels (item, rater, value) with true classes drawn at random; every item has a label, every rater all classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    rows = []
    for j in range(items):
        who = [w for w in range(raters) if rng.random() < coverage] or [int(rng.integers(raters))]
        for w in who:
            right = rng.random() < accuracies[w % len(accuracies)]
            wrong = int((truth[j] + 1 + rng.integers(classes - 1)) % classes)
            rows.append((j, w, int(truth[j]) if right else wrong))
    return rows, truth.tolist()


def frame(rows):
    # Sorted by rater, then value: crowd-kit's MACE numbers raters and labels by first appearance, but reads its counts in
    # sorted order; only with this order do both agree.
    return pd.DataFrame(rows, columns=["task", "worker", "label"])


def matrix(series_or_frame, index, columns=None):
    out = series_or_frame.loc[index] if columns is None else series_or_frame.loc[index, columns]
    return np.asarray(out, dtype=float).tolist()


def dawid_skene(seed, items, raters, classes, coverage, accuracies):
    rows, _ = crowd(seed, items, raters, classes, coverage, accuracies)
    data, out = frame(rows), {}
    for name, model in (("dawid_skene", DawidSkene), ("one_coin", OneCoinDawidSkene)):
        # tol < 0: crowd-kit adds the log prior once a vote to its bound, which may fall, and would stop too early.
        fit = model(n_iter=1000, tol=-1e9).fit(data)
        out[name] = {
            "posterior": matrix(fit.probas_, range(items), range(classes)),
            "prior": [float(fit.priors_[c]) for c in range(classes)],
        }
        if name == "one_coin":
            out[name]["skill"] = [float(fit.skills_[w]) for w in range(raters)]
    return {"items": items, "raters": raters, "classes": classes, "labels": rows, **out}


def mace(seed, items, raters, classes, coverage, accuracies, method):
    rows, _ = crowd(seed, items, raters, classes, coverage, accuracies)
    rows.sort(key=lambda r: (r[1], r[2], r[0]))
    data = frame(rows)
    assert list(pd.factorize(data.worker)[1]) == list(range(raters))
    assert list(pd.factorize(data.label)[1]) == list(range(classes))
    model = MACE(n_restarts=1, n_iter=50, method=method, random_state=3)
    model._initialize(raters, classes)
    start = {"knowing": model.spamming_[:, 1].tolist(), "strategy": model.thetas_.ravel().tolist()}
    fit = MACE(n_restarts=1, n_iter=50, method=method, random_state=3).fit(data)
    return {
        "items": items, "raters": raters, "classes": classes, "labels": rows, "start": start,
        "knowing": fit.spamming_[:, 1].tolist(), "spamming": fit.spamming_[:, 0].tolist(),
        "strategy": fit.thetas_.ravel().tolist(),
        "posterior": matrix(fit.probas_, range(items), range(classes)),
    }


def battles(seed, models, raters, votes, position=0.3):
    rng = np.random.default_rng(seed)
    strength = np.linspace(1, -1, models)
    rows = []
    for _ in range(votes):
        left, right = (int(x) for x in rng.choice(models, 2, replace=False))
        w = int(rng.integers(raters))
        p = expit(strength[left] - strength[right] + position) if w else 0.9  # rater 0 takes the left
        rows.append((w, left, right, int(rng.random() < p)))
    return rows


def bradley_terry(seed, models, votes):
    rows = battles(seed, models, 5, votes)
    data = pd.DataFrame([("w", f"m{l}", f"m{r}", f"m{l}" if y else f"m{r}") for _, l, r, y in rows],
                        columns=["worker", "left", "right", "label"])
    fit = BradleyTerry(n_iter=100000, tol=0).fit(data)
    p = np.array([fit.scores_[f"m{m}"] for m in range(models)])
    xi = np.log(p) - np.log(p).mean()
    return {"models": models, "battles": rows, "strength": xi.tolist()}


def noisy(seed, models, raters, votes):
    """The likelihood is crowd-kit's own function; the optimum is scipy's, since crowd-kit 1.4.2's gradient writes skill
    and bias one place early and keeps only each worker's last vote, and its ridge has the wrong sign."""
    rows = battles(seed, models, raters, votes)
    np_data = np.array([(l + 1, r + 1, l + 1 if y else r + 1) for _, l, r, y in rows])
    workers = np.array([w for w, *_ in rows])

    def theirs(s, gamma, q):
        # crowd-kit's vector: reference, models, biases, skills (see its fit()).
        x = np.concatenate([[0.0], s, q, gamma])
        return NoisyBradleyTerry._compute_log_likelihood(x, np_data, workers, models, raters, 0.0)

    def objective(x):
        s, gamma, q = x[:models], x[models:models + raters], x[models + raters:]
        return theirs(s, gamma, q) + 0.05 * s @ s + 0.25 * ((gamma - 2) ** 2).sum() + 0.25 * q @ q

    start = np.concatenate([np.zeros(models), np.full(raters, 2.0), np.zeros(raters)])
    fit = minimize(objective, start, method="L-BFGS-B", options={"maxiter": 10000, "ftol": 1e-15, "gtol": 1e-7, "maxfun": 10**6})
    probe = np.random.default_rng(5).normal(size=models + 2 * raters)
    return {
        "models": models, "raters": raters, "battles": rows, "loss": float(fit.fun),
        "strength": (fit.x[:models] - fit.x[:models].mean()).tolist(),
        "skill": fit.x[models:models + raters].tolist(), "bias": fit.x[models + raters:].tolist(),
        "probe": probe.tolist(),
        "probe_likelihood": theirs(probe[:models], probe[models:models + raters], probe[models + raters:]),
    }


def alpha(seed, raters, units, values, missing):
    rng = np.random.default_rng(seed)
    truth = rng.choice(values, units)
    data = np.where(rng.random((raters, units)) < 0.7, truth[None, :], rng.choice(values, (raters, units))).astype(float)
    data[rng.random((raters, units)) < missing] = np.nan
    out = {"data": [[None if np.isnan(v) else v for v in row] for row in data.tolist()]}
    for level in ("nominal", "ordinal", "interval") + (("ratio",) if min(values) >= 0 else ()):
        out[level] = float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))
    return out


def kappas(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, 200)
    a, b = (np.where(rng.random(200) < 0.6, truth, rng.integers(0, 5, 200)) for _ in range(2))
    counts = np.stack([rng.multinomial(6, p) for p in rng.dirichlet(np.full(4, 0.6), 50)])
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (a, b), 1)
    return {
        "table": table.ravel().tolist(), "none": float(cohen_kappa_score(a, b)),
        "linear": float(cohen_kappa_score(a, b, weights="linear")),
        "quadratic": float(cohen_kappa_score(a, b, weights="quadratic")),
        "fleiss_counts": counts.ravel().tolist(), "fleiss": float(fleiss_kappa(counts, method="fleiss")),
    }


def main():
    names = ("crowd-kit", "krippendorff", "scikit-learn", "statsmodels", "numpy", "scipy", "pandas")
    golden = {
        "versions": {"python": sys.version.split()[0], **{n: importlib.metadata.version(n) for n in names}},
        "dawid_skene": [dawid_skene(1, 60, 8, 2, 0.6, [0.9, 0.8, 0.7, 0.55]),
                        dawid_skene(2, 80, 10, 4, 0.5, [0.85, 0.7, 0.6])],
        "mace": [mace(3, 50, 7, 3, 0.6, [0.9, 0.75, 0.4], "vb"), mace(4, 50, 7, 3, 0.6, [0.9, 0.75, 0.4], "em")],
        "bradley_terry": [bradley_terry(6, 6, 400)],
        "noisy_bradley_terry": [noisy(7, 5, 6, 500)],
        "alpha": [alpha(8, 4, 60, [-3, -2, -1, 0, 1, 2, 3], 0.3), alpha(9, 6, 40, [1, 2, 3, 4, 5], 0.5),
                  alpha(10, 3, 30, [1, 10, 25, 100], 0.2)],
        "kappa": kappas(11),
    }
    text = json.dumps(golden, indent=None, separators=(",", ":"))
    pathlib.Path(__file__).with_name("golden.json").write_text(text + "\n")


main()
