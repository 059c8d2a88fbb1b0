"""How long a run still takes, told so that a person can rely on it."""

import itertools
from collections import deque

_WINDOW = 0.35  # of the time that has passed, whose pace counts
_SHORTEST = 4.0  # seconds of it at least
_KNOWN = 2.0  # seconds of work before anything is told
_FEW = 6  # steps of it, since a first one may have taken long
_LEAP = 4  # times the pace, from which on work has not been done but fallen away
_LEAST_LEAP = 0.02  # of the work
_SMOOTH = 0.1  # of the time that has passed, over which a new estimate is taken on


class TimeLeft:
    """Estimates the end from the share of the work that is done, as time passes.

    The pace is the median over the last third of the time, so that neither work that
    fell away (an adaptation that ended early) nor a step that took long misleads.
    """

    def __init__(self) -> None:
        self._told: deque[tuple[float, float]] = deque()
        self._end: float | None = None
        self._first, self._steps = 0.0, 0

    def note(self, seconds: float, fraction: float) -> None:
        """Take what is done by now.

        Parameters
        ----------
        seconds : float
            Time of work so far, without pauses.
        fraction : float
            Share of the work that is done, 0..1.
        """
        told = self._told
        if fraction <= (told[-1][1] if told else 0.0):
            return  # preparing is no work that a pace could be told from
        if not told:
            self._first = seconds
        told.append((seconds, fraction))
        window = max(_SHORTEST, _WINDOW * (seconds - self._first))
        while len(told) > 2 and told[1][0] < seconds - window:
            told.popleft()
        pace = self._pace()
        self._steps += 1
        if pace is None or self._steps < _FEW or seconds - self._first < _KNOWN:
            return
        end = seconds + (1 - fraction) / pace
        since, gained = seconds - told[-2][0], fraction - told[-2][1]
        fell_away = gained > _LEAP * pace * since + _LEAST_LEAP
        if self._end is None or fell_away or end - seconds < (self._end - seconds) / 2:
            self._end = end  # nothing is known yet, or it was far too long
        else:
            smooth = max(1.0, _SMOOTH * (seconds - self._first))
            self._end += min(1.0, since / smooth) * (end - self._end)

    def seconds_left(self, seconds: float) -> float | None:
        """Return how long it still takes; None if that is not known yet."""
        return None if self._end is None else max(0.0, self._end - seconds)

    def _pace(self) -> float | None:
        """Return the share that is done in a second: the median over the window."""
        told = list(self._told)
        steps = [
            ((f - e) / (t - s), t - s)
            for (s, e), (t, f) in itertools.pairwise(told)
            if t > s
        ]
        steps.sort()
        half, passed = sum(time for _, time in steps) / 2, 0.0
        for pace, time in steps:
            passed += time
            if passed >= half and pace > 0:
                return pace
        return None


def in_words(seconds: float | None) -> str:
    """Return a time that is left, as exactly as it can be known."""
    if seconds is None:
        return "time left not known yet"
    if seconds < 8:
        return "a few seconds left"
    if seconds < 90:
        return f"about {round(seconds / 5) * 5} s left"
    minutes = seconds / 60
    if minutes < 90:
        return f"about {minutes:.0f} min left"
    return f"about {minutes / 60:.1f} h left"


def in_minutes(seconds: float) -> str:
    """Return a time as a person says it: '4.2 s', '2:10', '1:02:10'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
