"""
The operator, in the order in which to read it.

A ModelServer or one of its children changes. `watch` (kopf) hears of it and puts the object into
the `store`, filed under the ModelServer it belongs to; that ModelServer's key goes into the
`workqueue`. A worker of the `controller` takes the key, if this process is the `leader`, and runs
`reconcile`: the spec is parsed (`api`), the `children` it should have are built, a `plan` compares
them with what was seen (`drift`, `ownership`), `carry_out` writes the difference through
`cluster`, and `status` says how things stand (`conditions`, from the `workload`, the `causes` that
pods tell and the `pod_events` of those that do not), with `events` for what turned. At rest
nothing is written.

Read: reconcile, plan, carry_out, children/, conditions, status; then controller, store, workqueue;
then watch, kopf_hardening, leader, cluster; last __main__, which fits them together.
"""

__version__ = "0.1.0"
