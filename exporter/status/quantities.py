"""Write numbers for people: with units, grouped, and no more digits than matter."""

from collections.abc import Callable
from typing import Final

Say = Callable[[float], str]

_STEPS: Final = (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1))
_PREFIXES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_KIBI: Final = 1024
_FEW: Final = 10


def say_duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as ``4m 1s``; ``9.6 ms`` below a second."""
    if 0 < seconds < 1:
        return f"{1000 * seconds:.1f} ms"
    left = round(seconds)
    for unit, size, smaller_unit, smaller_size in _STEPS:
        if left >= size:
            return f"{left // size}{unit} {left % size // smaller_size}{smaller_unit}"
    return f"{left}s"


def say_bytes(number: float) -> str:
    """Return a number of bytes, such as ``1.2 KiB``."""
    for prefix in _PREFIXES[:-1]:
        if abs(number) < _KIBI:
            return f"{number:.0f} {prefix}" if number >= _FEW or prefix == "B" else f"{number:.1f} {prefix}"
        number /= _KIBI
    return f"{number:.0f} {_PREFIXES[-1]}"


def say_count(number: float) -> str:
    """Return a whole number with its thousands apart, such as ``24,512``."""
    return f"{number:,.0f}"


def say_share(ratio: float) -> str:
    """Return a share, such as ``76.6 %``."""
    return f"{100 * ratio:.0f} %" if ratio >= 1 or ratio == 0 else f"{100 * ratio:.1f} %"


def say_rate(per_second: float) -> str:
    """Return a rate, such as ``4.2/s``."""
    return f"{per_second:,.0f}/s" if per_second >= _FEW else f"{per_second:.2g}/s"
