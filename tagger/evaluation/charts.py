"""Geometry of the charts in an HTML report: values in, pixels out; the templates beside it draw them as inline SVG.

Pixels count from the upper left corner of a chart, x to the right and y down, rounded to a tenth.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
HEAT_LEVELS = 9
_TINY = 1e-9

Value = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One mark of an axis.

    Attributes:
        at: its pixel.
        text: what is written beside it.
    """

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A linear axis.

    Attributes:
        low: the value at pixel `start`.
        high: the value at pixel `end`, above `low`.
        start: a pixel.
        end: a pixel; below `start` where the axis runs upwards.
        label: what is measured.
        is_percent: whether ticks show 100 times the value.
    """

    low: float
    high: float
    start: float
    end: float
    label: str = ""
    is_percent: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; values beyond the ends are drawn at the ends."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """About five round values from end to end."""
        factor = 100 if self.is_percent else 1
        low, high = self.low * factor, self.high * factor
        step = find_step(high - low, 5)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9)) + (0 if _is_round(step) else 1)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        values = [number * step for number in range(first, last + 1)]
        return tuple(Tick(at=self.at(value / factor), text=f"{value:,.{decimals}f}") for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A score in [0, 1] as a horizontal bar with the whisker of its interval.

    Attributes:
        width: pixels of the whole row, which stand for 1.
        length: pixels of the bar; None where the score is undefined.
        low: the pixel at which the whisker begins; None without an interval.
        high: the pixel at which it ends.
    """

    width: float
    length: Value
    low: Value
    high: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A difference as a point with the whisker of its interval, beside a line at 0.

    Attributes:
        width: pixels of the whole row.
        zero: the pixel of no difference.
        at: the pixel of the difference; None where it is undefined.
        low: the pixel at which the whisker begins; None without an interval.
        high: the pixel at which it ends.
    """

    width: float
    zero: float
    at: Value
    low: Value
    high: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a series.

    Attributes:
        x: its pixel.
        y: its pixel.
    """

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart.

    Attributes:
        name: what it shows.
        path: its course, for the `d` of an SVG path; broken where values are undefined.
        marks: its points.
    """

    name: str
    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A rectangle: its upper left corner, its width and its height, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart with two axes.

    Attributes:
        width: in pixels.
        height: in pixels.
        x: the axis that runs to the right.
        y: the axis that runs upwards.
        series: its lines.
        diagonal: whether the line x = y is drawn.
        parts: a histogram behind the lines.
    """

    width: float
    height: float
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    diagonal: bool = False
    parts: tuple[Block, ...] = ()


def find_step(extent: float, count: int) -> float:
    """The round step that divides an extent into at most `count` parts."""
    rough = extent / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def widen(
    values: Iterable[Value], *, step_count: int = 5, low: Value = None, high: Value = None
) -> tuple[float, float]:
    """Round bounds that hold all values that are defined.

    Args:
        values: what is to be shown.
        step_count: into how many steps the extent is to be divided, about.
        low: the lowest bound that makes sense, such as 0.
        high: the highest.

    Returns:
        Two bounds, the first below the second; (0, 1) without values.
    """
    defined = [value for value in values if value is not None]
    if not defined:
        return 0.0, 1.0
    smallest, largest = min(defined), max(defined)
    size = max(abs(smallest), abs(largest))
    extent = largest - smallest if largest - smallest > size * _TINY else size
    extent = extent if extent > _TINY else 1.0
    step = find_step(extent, step_count)
    first, last = math.floor(smallest / step + 1e-9) * step, math.ceil(largest / step - 1e-9) * step
    if first == last:
        first, last = first - step, last + step
    first = first if low is None else max(first, low)
    last = last if high is None else min(last, high)
    return (first, last) if first < last else (first - step, last + step)


def place_bar(value: Value, interval: tuple[float, float] | None, *, width: float) -> Bar:
    """Places a score in [0, 1] and its interval on a row of `width` pixels."""
    axis = Axis(low=0.0, high=1.0, start=0.0, end=width)
    low, high = (axis.at(interval[0]), axis.at(interval[1])) if interval else (None, None)
    return Bar(width=width, length=None if value is None else axis.at(value), low=low, high=high)


def place_difference(value: Value, interval: tuple[float, float] | None, *, extent: float, width: float) -> Contrast:
    """Places a difference on a row of `width` pixels, which runs from -extent to extent."""
    axis = Axis(low=-extent, high=extent, start=4.0, end=width - 4.0)
    low, high = (axis.at(interval[0]), axis.at(interval[1])) if interval else (None, None)
    return Contrast(width=width, zero=axis.at(0.0), at=None if value is None else axis.at(value), low=low, high=high)


def place_series(
    name: str,
    points: Sequence[tuple[Value, Value]],
    *,
    x: Axis,
    y: Axis,
    marked: bool = True,
) -> Series:
    """Places a line on two axes.

    Args:
        name: what it shows.
        points: x and y of each point; the line is broken where one is None.
        x: the axis that runs to the right.
        y: the axis that runs upwards.
        marked: whether the points are marked.
    """
    marks: list[Mark] = []
    path: list[str] = []
    is_down = False  # whether the pen is on the paper
    for across, up in points:
        if across is None or up is None:
            is_down = False
            continue
        mark = Mark(x=x.at(across), y=y.at(up))
        marks.append(mark)
        path.append(f"{'L' if is_down else 'M'}{mark.x:g} {mark.y:g}")
        is_down = True
    return Series(name=name, path="".join(path), marks=tuple(marks) if marked else ())


def place_histogram(parts: Sequence[tuple[float, float, float]], *, x: Axis, y: Axis) -> tuple[Block, ...]:
    """Places bars that stand on the x axis.

    Args:
        parts: from which x to which, and how high up y; those without height are left out.
        x: the axis that runs to the right.
        y: the axis that runs upwards.
    """
    return tuple(
        Block(
            x=x.at(low), y=y.at(height), width=round(x.at(high) - x.at(low), 1), height=round(y.start - y.at(height), 1)
        )
        for low, high, height in parts
        if height > 0
    )


def thin(count: int, limit: int) -> list[int]:
    """At most `limit` of `count` indices, evenly spread, both ends kept."""
    if count <= limit:
        return list(range(count))
    step = (count - 1) / (limit - 1)
    indices = [round(number * step) for number in range(limit)]
    return [index for index, following in pairwise([*indices, count]) if index != following]


def find_heat(count: int, largest: int) -> int:
    """How strongly a cell is coloured: 0 for nothing, HEAT_LEVELS for the largest; by the root, to show few."""
    if count <= 0 or largest <= 0:
        return 0
    return max(1, round(HEAT_LEVELS * math.sqrt(min(count / largest, 1.0))))


def _is_round(step: float) -> bool:
    """Whether a step has one leading digit, as 0.2 has and 0.25 has not."""
    leading = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    return math.isclose(leading, round(leading))
