"""The store believes the newest word on each object and files it where it belongs."""

import modelserver_make as make
from modelserver_operator.kinds import MODEL_SERVER, POD, SERVICE
from modelserver_operator.store import ChildId, Key, Store

KEY = Key("team", "web")


def service(version: int, uid: str = "s1", **metadata: object) -> dict:
    """Build a Service of ours."""
    return {
        "metadata": {
            "name": "web",
            "namespace": "team",
            "uid": uid,
            "resourceVersion": str(version),
            "ownerReferences": [make.owner("u1")],
            **metadata,
        },
    }


def test_old_news_is_ignored():
    """A watch may tell late what the answer to our write told already."""
    store = Store()
    assert store.put(SERVICE, service(5)) == {KEY}
    assert store.put(SERVICE, service(5)) == set()
    assert store.put(SERVICE, service(4, labels={"x": "y"})) == set()
    assert "labels" not in store.view(KEY).children[ChildId("Service", "web")]["metadata"]


def test_what_is_gone_stays_gone():
    """The answer to a write may come after the object was deleted."""
    store = Store()
    store.put(SERVICE, service(5))
    assert store.drop("s1") == {KEY}
    assert store.put(SERVICE, service(6)) == set()
    assert store.view(KEY).children == {}


def test_what_lost_its_label_comes_back_when_it_was_repaired():
    """A watch by labels calls it deleted; the answer to our apply is newer than that."""
    store = Store()
    store.put(SERVICE, service(5))
    assert store.drop("s1", 8) == {KEY}
    assert store.put(SERVICE, service(7)) == set()
    assert store.put(SERVICE, service(9)) == {KEY}


def test_of_namesakes_the_newest_counts():
    """While pages of a listing come in, a deleted ModelServer is known beside its successor."""
    store = Store()
    for uid, version in (("b", 10), ("a", 20), ("c", 15)):
        metadata = make.server()["metadata"] | {"uid": uid, "resourceVersion": str(version)}
        store.put(MODEL_SERVER, {"metadata": {**metadata, **KEY._asdict()}})
    found = store.view(KEY).server, store.server(KEY)
    assert [server and server["metadata"]["uid"] for server in found] == ["a", "a"]


def test_a_listing_tells_of_deletions_that_no_watch_told():
    """What was seen after the listing's version is left alone."""
    store = Store()
    store.put(SERVICE, service(5, "s1"))
    store.put(SERVICE, service(9, "s2", name="other"))
    store.put(SERVICE, service(3, "s3", name="kept"))
    assert store.retain(SERVICE, None, {"s3"}, 7) == {KEY}
    assert {name for _, name in store.view(KEY).children} == {"other", "kept"}


def test_a_kind_that_seemed_to_be_gone_is_taken_in_again():
    """The same objects in the same versions: nobody had touched them."""
    store = Store()
    store.put(SERVICE, service(5))
    store.put(POD, {"metadata": service(6, "p1")["metadata"]})
    assert store.forget(SERVICE) == {KEY}
    assert store.view(KEY).children == {}
    assert store.view(KEY).pods
    assert store.put(SERVICE, service(5)) == {KEY}


def test_a_listing_of_one_namespace_says_nothing_of_another():
    """Or watching two namespaces would make each forget the other."""
    store = Store()
    store.put(SERVICE, service(5))
    assert store.retain(SERVICE, "elsewhere", set(), 7) == set()


def test_pods_are_filed_by_label_and_kept_without_their_spec():
    """Only what a pod's status says is read."""
    store = Store()
    store.put(MODEL_SERVER, make.server())
    body = make.pod()
    body["metadata"] |= {"namespace": "team", "resourceVersion": "3", "name": "web-1"}
    store.put(POD, body | {"spec": {"containers": []}})
    observed = store.view(KEY)
    assert [set(pod) >= {"status"} and "spec" not in pod for pod in observed.pods] == [True]
    assert observed.server is not None
    assert list(store.keys()) == [KEY]
