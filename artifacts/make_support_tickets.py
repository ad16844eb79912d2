"""
Makes `artifacts/support-tickets/`: which of three teams a ticket belongs to.

A pipeline on a DataFrame with text, categories, numbers and truth values, some of it missing. The
tickets are made up from a fixed seed, and every time stamp is SOURCE_DATE_EPOCH (default
2026-01-01). A second run gives the same manifest keys and the same answers within 1e-9; the bytes
that are committed are what is pinned.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelserver_runtime.packing import Description, pack

SEED = 42
CREATED = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600")), UTC)
TICKETS = 900
UNKNOWN_PLANS = 0.08
UNCLEAR = 0.12
TITLES = {
    "subject": "subject line",
    "channel": "how it came in",
    "plan": "plan of the customer, where there is one",
    "open_tickets": "tickets of this customer that are open",
    "account_age_days": "days since the customer came",
    "is_administrator": "written by an administrator of the account",
}
TEAMS = ("billing", "sales", "technical")
WORDS = {
    "billing": ["invoice", "refund", "charged", "payment", "card", "receipt", "twice", "amount"],
    "sales": ["quote", "upgrade", "seats", "discount", "trial", "demo", "contract", "price"],
    "technical": ["error", "crash", "login", "timeout", "export", "broken", "upload", "api"],
}
COMMON = ["please", "my", "the", "our", "with", "for", "about", "since", "help", "again", "new"]
PLANS = {"billing": (0.3, 0.5, 0.2), "sales": (0.6, 0.3, 0.1), "technical": (0.3, 0.4, 0.3)}


def main(folder: Path) -> None:
    """Train the model and write the artifact to *folder*."""
    table, teams = tickets(np.random.default_rng(SEED))
    x_train, x_test, y_train, y_test = train_test_split(
        table, teams, test_size=0.2, stratify=teams, random_state=SEED
    )
    model = untrained().fit(x_train, y_train)
    predicted = model.predict(x_test)
    described = Description(
        name="support-tickets",
        description="The team that a support ticket belongs to",
        titles=TITLES,
        metrics={
            "accuracy": float(accuracy_score(y_test, predicted)),
            "f1_score": float(f1_score(y_test, predicted, average="macro")),
        },
        created=CREATED,
    )
    digest = pack(model, x_train, folder, described)
    print(f"{folder}: accuracy {described.metrics['accuracy']:.4f}, {digest}")


def untrained() -> Pipeline:
    """Words, categories and numbers, each prepared in its own way."""
    return make_pipeline(
        make_column_transformer(
            (TfidfVectorizer(), "subject"),
            (OneHotEncoder(handle_unknown="ignore"), ["channel", "plan"]),
            (StandardScaler(), ["open_tickets", "account_age_days"]),
            ("passthrough", ["is_administrator"]),
        ),
        LogisticRegression(max_iter=1000, random_state=SEED),
    )


def tickets(chance: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    """Tickets, and the team of each."""
    teams = chance.choice(TEAMS, TICKETS, p=(0.35, 0.25, 0.4))
    table = pd.DataFrame(
        {
            "subject": [subject(chance, team) for team in teams],
            "channel": [chance.choice(["chat", "email", "phone", "web"]) for _ in teams],
            "plan": [chance.choice(["free", "team", "enterprise"], p=PLANS[t]) for t in teams],
            "open_tickets": chance.poisson(np.where(teams == "technical", 2.5, 0.8)),
            "account_age_days": chance.exponential(np.where(teams == "sales", 60.0, 500.0)).round(
                1
            ),
            "is_administrator": chance.random(TICKETS) < np.where(teams == "billing", 0.7, 0.3),
        }
    )
    table.loc[chance.random(TICKETS) < UNKNOWN_PLANS, "plan"] = None
    return table, teams


def subject(chance: np.random.Generator, team: str) -> str:
    """A few words of the team, or, in an unclear ticket, of any."""
    of = chance.choice(TEAMS) if chance.random() < UNCLEAR else team
    telling = chance.choice(WORDS[of], 2, replace=False)
    others = chance.choice(COMMON, 3, replace=False)
    return " ".join(chance.permutation([*telling, *others]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "support-tickets")
