//! Ids, objects, pipeline and plugin manifests, run events and wire JSON: no IO, no async.
