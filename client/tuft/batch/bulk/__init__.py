"""Batches of any size: folders, buckets, tables and shards; in threads or on Ray; resumed where they were killed."""

from tuft.batch.bulk.on_ray import Cluster
from tuft.batch.bulk.options import BatchOptions
from tuft.batch.bulk.results import Row
from tuft.batch.bulk.run import BatchReport, run_batch

__all__ = ["BatchOptions", "BatchReport", "Cluster", "Row", "run_batch"]
