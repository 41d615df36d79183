"""Child processes for what may hang, blow up or abort: judging, compiling and running modules."""

from node.workers.messages import Compiled, Evaluated, Outcome
from node.workers.workers import WorkerConfig, Workers, open_workers

__all__ = ["Compiled", "Evaluated", "Outcome", "WorkerConfig", "Workers", "open_workers"]
