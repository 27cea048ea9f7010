"""The killable render processes: `RenderPool` gives each document to one, with time, memory and output limits."""

from generator.sandbox.limits import SandboxLimits
from generator.sandbox.pool import ChildStatus, RenderPool, SandboxUnavailable

__all__ = ["ChildStatus", "RenderPool", "SandboxLimits", "SandboxUnavailable"]
