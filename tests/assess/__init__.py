"""Tests of `autoscaler.assess`."""
