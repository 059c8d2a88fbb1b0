"""The frontier's picture and table, from the rows that were written."""

from collections import defaultdict
from pathlib import Path
from statistics import mean

Rows = list[dict[str, str]]
Point = tuple[float, float, float]  # seconds, PSNR, SSIM
LEAST = 0.02  # seconds: what is shorter is drawn there
# Okabe and Ito's colours, which differ for colour-blind eyes too; ours in black.
STYLES = {
    "ours": ("#000000", "o", 2.4),
    "paper": ("#D55E00", "s", 1.4),
    "BM3D": ("#0072B2", "D", 0),
    "BM3D, stabilised": ("#56B4E9", "D", 0),
    "non-local means": ("#009E73", "^", 0),
    "wavelet": ("#009E73", "v", 0),
    "total variation": ("#009E73", "P", 0),
    "Noise2Void": ("#CC79A7", "*", 0),
    "Deep Image Prior": ("#E69F00", "X", 1.4),
    "ZS-N2N": ("#999999", "h", 1.4),
}
LABELS = {
    "ours": "ours: first look, fast, auto, full",
    "paper": "MPI, paper's network and weights",
    "BM3D, stabilised": "BM3D, variance stabilised",
}


def curves(rows: Rows) -> dict[str, dict[str, dict[str, Point]]]:
    """Return means over images, by group, method and budget.

    Left out is what was not measured on all images of a group: the mean of some can't
    be compared with the mean of all.
    """
    images: dict[str, set[str]] = defaultdict(set)
    lines: dict[tuple[str, str, str], dict[str, Point]] = defaultdict(dict)
    for row in rows:
        images[row["group"]].add(row["image"])
        if row["psnr"]:
            point = (float(row["seconds"]), float(row["psnr"]), float(row["ssim"]))
            key = (row["group"], row["method"], row["budget"])
            lines[key][row["image"]] = point
    found: dict[str, dict[str, dict[str, Point]]] = defaultdict(dict)
    for (group, method, budget), points in lines.items():
        if points.keys() == images[group]:
            means = tuple(map(mean, zip(*points.values(), strict=True)))
            found[group].setdefault(method, {})[budget] = means  # type: ignore[assignment]
    return found


def draw(rows: Rows, path: Path) -> None:
    """Draw PSNR over seconds, a panel for each group, and the legend beside them."""
    import matplotlib as mpl  # only this needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = curves(rows)
    columns = 3
    lines = -(-(len(groups) + 1) // columns)
    mpl.rcParams.update({"font.size": 8.5, "axes.titlesize": 9})
    figure, axes = plt.subplots(
        lines, columns, figsize=(9.4, 2.35 * lines), sharex=True
    )
    panels = axes.ravel()
    handles: dict[str, object] = {}
    for panel, (group, methods) in zip(panels, groups.items(), strict=False):
        images = len({row["image"] for row in rows if row["group"] == group})
        title = (
            group
            if ("cset9" not in group and "kodak24" not in group) or ("," in group)
            else f"{group}, sigma 25"
        )
        panel.set_title(f"{title} ({images} image{'s' * (images > 1)})")
        _draw_panel(panel, methods, handles)
    for panel in panels[len(groups) :]:
        panel.axis("off")
    order = [name for name in STYLES if name in handles] + ["noisy"]
    panels[len(groups)].legend(
        [handles[name] for name in order if name in handles],
        [LABELS.get(name, name) for name in order if name in handles],
        loc="center left", frameon=False, fontsize=8.5, labelspacing=0.35,
    )  # fmt: skip
    figure.supxlabel("seconds (log)", fontsize=9)
    figure.supylabel("PSNR, dB", fontsize=9)
    figure.tight_layout(pad=0.6, w_pad=1.4)
    figure.savefig(path, dpi=200)


def _draw_panel(
    panel, methods: dict[str, dict[str, Point]], handles: dict[str, object]
) -> None:
    for name, (colour, marker, width) in STYLES.items():
        points = sorted(methods.get(name, {}).values())
        if not points:
            continue
        seconds = [max(LEAST, point[0]) for point in points]
        (handles[name],) = panel.plot(
            seconds, [point[1] for point in points], color=colour, marker=marker,
            linewidth=width, linestyle="-" if width else "none",
            markersize=6 if name == "ours" else 5, zorder=4 if name == "ours" else 3,
        )  # fmt: skip
    noisy = methods["noisy"][""][1]
    handles["noisy"] = panel.axhline(noisy, color="#666666", linestyle=":")
    panel.set_xscale("log")
    panel.tick_params(labelbottom=True)
    panel.grid(alpha=0.25, which="major")


def print_table(rows: Rows) -> None:
    """Print a table in Markdown: every method's last budget, means by group."""
    groups = curves(rows)
    present = {method for methods in groups.values() for method in methods}
    names = [name for name in STYLES if name in present]
    print("| PSNR / SSIM (seconds) | noisy |", " | ".join(names), "|")
    print("| --- |" + " --- |" * (len(names) + 1))
    for group, methods in groups.items():
        cells = []
        for name in names:
            found = methods.get(name)
            cells.append(_cell(*list(found.items())[-1]) if found else "")
        _, psnr, ssim = methods["noisy"][""]
        print(f"| {group} | {psnr:.2f} / {ssim:.3f} |", " | ".join(cells), "|")


def _cell(budget: str, point: Point) -> str:
    seconds, psnr, ssim = point
    at = f"{budget}: " if budget else ""
    return f"{psnr:.2f} / {ssim:.3f} ({at}{seconds:.3g})"
