"""The wines, in two halves: one to learn from, one to be judged by."""

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split


def halves():
    """(measurements, growers) to train with, and the same to evaluate with; always the same split."""
    rows, growers = load_wine(return_X_y=True)
    train_rows, test_rows, train_growers, test_growers = train_test_split(
        rows, growers, test_size=0.5, random_state=7, stratify=growers
    )
    return (train_rows, train_growers), (test_rows, test_growers)
