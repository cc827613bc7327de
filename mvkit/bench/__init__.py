"""Benchmarks: programs that print ratios measured in one run, never single absolute times."""

from mvkit.bench.masks import bench_masks as bench_masks
