"""Curves as SVG, by hand: one file, no library."""

import math, pathlib

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 150, 44, 52
COLOURS = {
    "skiffd": "#c0392b",
    "vsftpd": "#2c7fb8",
    "pure-ftpd": "#31a354",
    "proftpd": "#8856a7",
    "pyftpdlib": "#d98c00",
    "unftp": "#17becf",
    "ceiling": "#888888",
}


def write(path, title, across, upwards, curves):
    """`curves` are points by name. Axes are logarithmic: points at or below 0 are left out."""
    curves = {name: [p for p in points if p[0] > 0 and p[1] > 0] for name, points in curves.items()}
    curves = {name: points for name, points in curves.items() if points}
    if curves:
        pathlib.Path(path).write_text("\n".join(drawing(title, across, upwards, curves)) + "\n")
    return bool(curves)


def drawing(title, across, upwards, curves):
    x = scale([p[0] for points in curves.values() for p in points], LEFT, WIDTH - RIGHT)
    y = scale([p[1] for points in curves.values() for p in points], HEIGHT - BOTTOM, TOP)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    yield ' font-family="sans-serif" font-size="12">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield text(LEFT, 24, title, "start", ' font-size="15"')
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle")
    turned = f' transform="rotate(-90 18 {HEIGHT / 2})"'
    yield text(18, HEIGHT / 2, upwards, "middle", turned)
    yield from grid(x, y, curves)
    for index, (name, points) in enumerate(curves.items()):
        yield from curve(name, points, x, y, TOP + 16 * index + 8)
    yield "</svg>"


def grid(x, y, curves):
    for value in sorted({p[0] for points in curves.values() for p in points}):
        yield f'<path d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>'
        yield text(x(value), HEIGHT - BOTTOM + 16, f"{value:,.0f}", "middle")
    values = [p[1] for points in curves.values() for p in points]
    for value in steps(min(values), max(values)):
        yield f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#eee"/>'
        yield text(LEFT - 8, y(value) + 4, f"{value:,.10g}", "end")


def curve(name, points, x, y, label):
    colour = COLOURS.get(name, "black")
    path = "L".join(f"{x(across):.1f} {y(up):.1f}" for across, up in sorted(points))
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for across, up in points:
        yield f'<circle cx="{x(across):.1f}" cy="{y(up):.1f}" r="3" fill="{colour}"/>'
    yield text(WIDTH - RIGHT + 12, label, name, "start", f' fill="{colour}"')


def scale(values, low, high):
    """From values to places, by their logarithm."""
    least, most = math.log(min(values)), math.log(max(values))
    span = (most - least) or 1
    return lambda value: low + (math.log(value) - least) / span * (high - low)


def steps(least, most):
    """1, 2 and 5 times powers of ten between those."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    every = (factor * 10.0**power for power in powers for factor in (1, 2, 5))
    return [value for value in every if least <= value <= most]


def text(x, y, words, anchor, more=""):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{words}</text>'
