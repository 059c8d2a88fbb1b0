"""What one widget of ours has to tell the others, whichever of them are open."""

from qtpy.QtCore import QObject, Signal


class News(QObject):
    """Signals that any widget may emit and any may hear."""

    weights_changed = Signal()


news = News()
"""The one instance."""
