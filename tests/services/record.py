"""`python -m tests.services.record` (make cassettes): plays every scene against a fresh sandbox and records it."""

from __future__ import annotations

from avsync.sandbox.server import Sandbox
from tests.services.scenes import FOLDER, SCENES, cassettes, stage


def main() -> None:
    """Replace all cassettes."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.yaml"):
        old.unlink()
    for name, scene in SCENES.items():
        with Sandbox() as box:
            access = stage(box)
            with cassettes("all").use_cassette(f"{name}.yaml"):
                scene(access)
        print(f"{name}: {(FOLDER / f'{name}.yaml').stat().st_size} bytes")


if __name__ == "__main__":
    main()
