"""Layouts of the comparison: rows of slice orientations, one column a volume, and a plot underneath on request."""

from dataclasses import dataclass

# Slicer keeps the numbers up to 100 for itself; a custom layout may take any other.
FIRST_LAYOUT = 6200
COLUMNS = (2, 3, 4)
ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
# Slicer's own colours of these views.
COLOURS = {"Axial": "#F34A33", "Coronal": "#6EB04B", "Sagittal": "#EDD54C"}
# Linked slices stay within this group and leave the user's own views alone.
VIEW_GROUP = 62
PREFIX = "CTDiffusionRecon"
PLOT_TAG = f"{PREFIX}Profile"


@dataclass(frozen=True)
class ComparisonLayout:
    """A layout of `columns` volumes by `rows` of orientations.

    Raises:
        ValueError: a number of columns or an orientation that there is no layout for.
    """

    columns: int
    rows: tuple[str, ...] = ("Axial", "Coronal")
    plot: bool = False

    def __post_init__(self) -> None:
        if self.columns not in (1, *COLUMNS):
            raise ValueError(f"compare: expected 2 to 4 volumes, got {self.columns}")
        if not self.rows:
            raise ValueError("compare: at least one of axial, coronal and sagittal is needed")
        for row in self.rows:
            if row not in ORIENTATIONS:
                raise ValueError(f"compare: {row!r} is no orientation (known: {', '.join(ORIENTATIONS)})")
        object.__setattr__(self, "rows", tuple(o for o in ORIENTATIONS if o in self.rows))

    @property
    def number(self) -> int:
        """Its number in Slicer, the same in every session."""
        mask = sum(1 << ORIENTATIONS.index(row) for row in self.rows)
        return FIRST_LAYOUT + 16 * mask + 2 * self.columns + int(self.plot)

    def tag(self, row: str, column: int) -> str:
        """Name of one slice view."""
        return f"{PREFIX}{row}{column + 1}"

    @property
    def description(self) -> str:
        """The layout as Slicer's XML."""
        rows = "".join(f"<item>{self._row(row)}</item>" for row in self.rows)
        if self.plot:
            rows += (
                f'<item><view class="vtkMRMLPlotViewNode" singletontag="{PLOT_TAG}">'
                '<property name="viewlabel" action="default">P</property></view></item>'
            )
        return f'<layout type="vertical" split="true">{rows}</layout>'

    def _row(self, row: str) -> str:
        views = "".join(f"<item>{self._view(row, column)}</item>" for column in range(self.columns))
        return f'<layout type="horizontal">{views}</layout>'

    def _view(self, row: str, column: int) -> str:
        properties = {
            "orientation": row,
            "viewlabel": f"{row[0]}{column + 1}",
            "viewcolor": COLOURS[row],
            "viewgroup": str(VIEW_GROUP),
        }
        inner = "".join(f'<property name="{k}" action="default">{v}</property>' for k, v in properties.items())
        return f'<view class="vtkMRMLSliceNode" singletontag="{self.tag(row, column)}">{inner}</view>'


def is_own_layout(number: int) -> bool:
    """Whether a layout number is one of ours."""
    return FIRST_LAYOUT <= number < FIRST_LAYOUT + 16 * 8
