"""`python -m avsync.commands.by_apprise`: hands a message to Apprise, as a process that a run need not wait for.

JSON on stdin: `{"urls", "title", "body", "type"}`. Exit 0 when every address took it. After a minute it ends itself.
"""

from __future__ import annotations

import json
import logging
import signal
import sys

LONGEST = 60  # seconds


def main() -> int:
    """Send it."""
    signal.alarm(LONGEST)
    logging.disable()  # its lines hold addresses, with their passwords
    import apprise

    asked = json.load(sys.stdin)
    sending = apprise.Apprise()
    refused = [number for number, url in enumerate(asked["urls"], 1) if not sending.add(url)]
    sent = bool(sending) and sending.notify(body=asked["body"], title=asked["title"], notify_type=asked["type"])
    if refused:
        print(f"address {', '.join(map(str, refused))} is none that Apprise knows", file=sys.stderr)
    elif not sent:
        print("not delivered", file=sys.stderr)
    return 0 if sent and not refused else 1


if __name__ == "__main__":
    sys.exit(main())
