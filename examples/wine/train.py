"""Trains the wine classifier: python train.py [--features N] [--out model.joblib]

The data set ships inside scikit-learn: 178 wines of three growers, 13 measurements each. A model
that may use fewer measurements is a worse one, which makes for a demonstration.
"""

import argparse

import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data import halves


def train(features):
    """A pipeline fitted to the first measurements of the training half."""
    (rows, growers), _ = halves()
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(rows[:, :features], growers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=13, help="how many measurements it may use")
    parser.add_argument("--out", default="model.joblib")
    given = parser.parse_args()
    joblib.dump({"features": given.features, "pipeline": train(given.features)}, given.out, compress=3)
    print(f"wrote {given.out}, which uses {given.features} measurements")
