"""Trains the diabetes model and registers it as a new version: python train.py [--alpha A] [--alias NAME]

The data set ships inside scikit-learn: 442 patients, 10 measurements, and how far the disease went in
a year. The version goes to the MLflow server at $MLFLOW_TRACKING_URI, and the lock file of the
environment that serves it goes with it, among the model's own files.
"""

import argparse
from pathlib import Path

import mlflow
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

NAME = "diabetes"
HERE = Path(__file__).resolve().parent


def train(alpha):
    """A fitted model, the rows that it was fitted to, and its R² on rows that it has not seen."""
    rows, progress = load_diabetes(return_X_y=True)
    train_rows, test_rows, train_progress, test_progress = train_test_split(
        rows, progress, test_size=0.5, random_state=7
    )
    model = Ridge(alpha=alpha).fit(train_rows, train_progress)
    return model, train_rows, float(r2_score(test_progress, model.predict(test_rows)))


def register(alpha):
    """Log the model with its lock file and register it; the number of the new version."""
    mlflow.set_experiment(NAME)
    model, rows, r2 = train(alpha)
    with mlflow.start_run():
        mlflow.log_param("alpha", alpha)
        mlflow.log_metric("r2", r2)
        logged = mlflow.sklearn.log_model(
            model,
            name=NAME,
            signature=infer_signature(rows, model.predict(rows)),
            pip_requirements=str(HERE / "requirements.in"),
            serialization_format="cloudpickle",  # needs nothing more in the environment that serves it
        )
        mlflow.MlflowClient().log_model_artifact(logged.model_id, str(HERE / "requirements.lock"))
        version = mlflow.register_model(f"models:/{logged.model_id}", NAME).version
    print(f"{NAME} version {version}: alpha {alpha:g}, R² {r2:.3f}")
    return version


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alpha", type=float, default=0.05, help="0.05 is good; 5 is much worse")
    parser.add_argument("--alias", help="let this alias name the new version; `challenger` starts a release")
    given = parser.parse_args()
    number = register(given.alpha)
    if given.alias:
        mlflow.MlflowClient().set_registered_model_alias(NAME, given.alias, number)
        print(f"{NAME}@{given.alias} now names version {number}")
