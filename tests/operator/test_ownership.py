"""Whose is the object that has the name of a child of ours?"""

import pytest

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.ownership import Owner, owner_of

OURS = {labels.APPLIED_HASH: "0123"}
BY_US = [{"manager": labels.FIELD_MANAGER}]
NAMED = {labels.NAME: "web"}


@pytest.mark.parametrize(
    ("metadata", "want"),
    [
        pytest.param({"ownerReferences": [make.owner("u1")]}, Owner.US, id="our uid controls it"),
        pytest.param(
            {"ownerReferences": [make.owner("u0")]},
            Owner.PREDECESSOR,
            id="our name with another uid is one that was deleted",
        ),
        pytest.param(
            {"ownerReferences": [make.owner("u0", name="other")]},
            Owner.STRANGER,
            id="another ModelServer is a stranger",
        ),
        pytest.param(
            {"ownerReferences": [make.owner("u0", "Deployment")], "annotations": OURS},
            Owner.STRANGER,
            id="another kind of our name is a stranger, whatever it is annotated with",
        ),
        pytest.param(
            {"ownerReferences": [{**make.owner("u1"), "controller": False}]},
            Owner.STRANGER,
            id="an owner that does not control gives us nothing",
        ),
        pytest.param({}, Owner.STRANGER, id="nobody's is not ours"),
        pytest.param(
            {"annotations": OURS, "labels": NAMED, "managedFields": BY_US},
            Owner.US,
            id="we made it and somebody took the reference away",
        ),
        pytest.param(
            {"annotations": OURS, "labels": NAMED},
            Owner.STRANGER,
            id="copied labels and annotations are no proof: we never wrote to it",
        ),
        pytest.param(
            {"annotations": OURS, "labels": {labels.NAME: "b"}, "managedFields": BY_US},
            Owner.STRANGER,
            id="we made it for another",
        ),
        pytest.param({"annotations": {labels.ADOPT: "web"}}, Owner.US, id="handed over to us"),
        pytest.param(
            {"annotations": {labels.ADOPT: "other"}}, Owner.STRANGER, id="handed over to another"
        ),
        pytest.param(
            {"annotations": {labels.ADOPT: "web"}, "ownerReferences": [make.owner("x", "Job")]},
            Owner.STRANGER,
            id="what has a controller cannot be handed over beside it",
        ),
        pytest.param({"annotations": None}, Owner.STRANGER, id="no annotations at all"),
    ],
)
def test_owner(metadata, want):
    """Only what is proven to be ours is ours."""
    server = ModelServer.parse(make.server())
    assert owner_of({"metadata": {"name": "web", **metadata}}, server) is want
