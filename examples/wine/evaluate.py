"""Judges model.joblib by wines that it has not seen; writes the numbers to $SEGUE_RESULT."""

import json
import os
import sys

import joblib
from sklearn.metrics import accuracy_score, f1_score

from data import halves


def evaluate(path="model.joblib"):
    """Accuracy and macro F1 on the other half of the data."""
    _, (rows, growers) = halves()
    kept = joblib.load(path)
    guesses = kept["pipeline"].predict(rows[:, : kept["features"]])
    return {
        "accuracy": float(accuracy_score(growers, guesses)),
        "f1": float(f1_score(growers, guesses, average="macro")),
    }


if __name__ == "__main__":
    found = json.dumps(evaluate())
    print(found)
    with open(os.environ.get("SEGUE_RESULT", os.devnull), "w") as file:
        file.write(found)
    sys.exit(0)
