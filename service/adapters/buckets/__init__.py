"""Weights from buckets, copied by a pod before its model starts."""
