"""Print every model of the exact comparison: `python -m tests.exact.report [NAME ...]`."""

import sys

import numpy as np
from scipy import stats

from .simulated import LIMIT, PATIENTS, all_models, checks_of, independent_scores, worst


def line_of(name: str) -> tuple[str, np.ndarray]:
    """One line of the table, and the z-scores behind it."""
    checks = checks_of(name)
    scores = np.array([check.z for check in checks])
    far = worst(checks)
    cycle = "" if far.key[1] is None else f" at cycle {far.key[1]}"
    square = float(np.mean(scores**2))
    text = (
        f"{name:<28} {len(scores):>5} {scores.mean():>+6.2f} {square:>6.2f} "
        f"{far.z:>+6.2f}  {far.key[0]}{cycle}: exact {far.exact:.5f}, simulated {far.simulated:.5f}"
    )
    return text, scores


def main() -> None:
    """Print the table, and how the z-scores of independent seeds look."""
    names = sys.argv[1:] or list(all_models())
    print(f"{PATIENTS:,} patients a model; z = (simulated - exact) / exact standard error")
    print(f"{'model':<28} {'n':>5} {'mean':>6} {'square':>6} {'worst':>6}")
    everything = []
    for name in names:
        text, scores = line_of(name)
        everything.append(scores)
        print(text, flush=True)
    together = np.concatenate(everything)
    beyond = int(np.sum(np.abs(together) >= LIMIT))
    print(f"\n{len(together)} checks, {beyond} beyond {LIMIT}, worst {np.abs(together).max():.2f}")
    scores = independent_scores(seeds=100, patients=50_000)
    test = stats.kstest(scores, "norm")
    print(
        f"independent seeds: {len(scores)} scores, mean {scores.mean():+.3f}, mean square "
        f"{np.mean(scores**2):.3f}, Kolmogorov-Smirnov p {test.pvalue:.3f}"
    )


if __name__ == "__main__":
    main()
