"""avsync keeps Crafter (planning and work orders) and AccountView (the books) in step."""

__version__ = "0.1.0"
