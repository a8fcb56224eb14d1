"""Folders in memory, where there is some to write to: what is tested there is not the disk."""

from __future__ import annotations

import os

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
