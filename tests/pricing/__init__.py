"""Tests of `autoscaler.pricing`."""
