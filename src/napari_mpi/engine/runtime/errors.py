"""The errors a person is meant to read: one sentence with the value, rule, way out."""


class EngineError(Exception):
    """Base of every error that the engine raises on purpose.

    It is deliberately no ``RuntimeError``: Qt's generator workers take those for a
    deleted window and swallow them, so the person waiting would never be told.
    """


class ConfigError(EngineError, ValueError):
    """A setting is outside its range, or two settings contradict each other."""


class AxesError(EngineError, ValueError):
    """The axes do not describe the image."""


class ImageError(EngineError, ValueError):
    """The image holds something that cannot be denoised."""


class ImageFileError(EngineError):
    """An image file cannot be read or written."""


class WeightsError(EngineError):
    """Weights cannot be found, fetched, read or used."""


class DeviceError(EngineError):
    """The device that was asked for is not there."""


class OutOfMemory(EngineError):
    """The device has not enough memory for this image."""


class DiskError(EngineError):
    """The disk has not enough room for the result."""


class DivergenceError(EngineError, ArithmeticError):
    """The optimisation left the range of numbers."""


def first_line(error: BaseException) -> str:
    """Return what an error says, cut to one line of at most 200 letters."""
    kind, said = type(error).__name__, str(error).strip().partition("\n")[0][:200]
    # Some say a number only, such as the key that was not found.
    return said if any(map(str.isalpha, said)) else f"{kind} {said}".strip()
