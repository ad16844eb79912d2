"""
Makes `artifacts/diabetes/`, a regressor: how far diabetes will have progressed in a year.

The data set is the one inside scikit-learn, the split has a fixed seed, and every time stamp is
SOURCE_DATE_EPOCH (default 2026-01-01). A second run gives the same manifest keys and the same
answers within 1e-9; the bytes that are committed are what is pinned.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

from modelserver_runtime.packing import Description, pack

SEED = 42
CREATED = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600")), UTC)
TITLES = {
    "age": "age in years",
    "sex": "sex, coded 1 or 2",
    "bmi": "body mass index",
    "bp": "average blood pressure",
    "s1": "total serum cholesterol",
    "s2": "low-density lipoproteins",
    "s3": "high-density lipoproteins",
    "s4": "total cholesterol / HDL",
    "s5": "log of serum triglycerides",
    "s6": "blood sugar level",
}


def main(folder: Path) -> None:
    """Train the model and write the artifact to *folder*."""
    table, progression = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    x_train, x_test, y_train, y_test = train_test_split(
        table, progression, test_size=0.2, random_state=SEED
    )
    model = GradientBoostingRegressor(
        n_estimators=40, max_depth=2, learning_rate=0.12, subsample=0.8, random_state=SEED
    )
    # An array: a model that was trained on a DataFrame makes each pod import pandas.
    model.fit(x_train.to_numpy(), y_train.to_numpy())
    predicted = model.predict(x_test.to_numpy())
    described = Description(
        name="diabetes",
        description="Progression of diabetes after one year, from ten measurements",
        titles=TITLES,
        metrics={
            "r2": float(r2_score(y_test, predicted)),
            "mean_absolute_error": float(mean_absolute_error(y_test, predicted)),
        },
        created=CREATED,
    )
    digest = pack(model, x_train, folder, described)
    print(f"{folder}: r2 {described.metrics['r2']:.4f}, {digest}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "diabetes")
