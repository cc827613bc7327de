"""Benchmarks: programs that measure what a person or a training waits for, and say on which machine."""

from mvkit.bench.masks import bench_masks as bench_masks
