"""Tables as markdown, data as CSV and JSON, charts as SVG."""

import csv
import html
import json
import math
import os
import statistics

COLOURS = ("#3366aa", "#cc6633", "#339966", "#aa3377", "#777777", "#bb9900")


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def median(values):
    return statistics.median(values)


def pair_ratio(runs, name, other, figure="seconds"):
    """The median of the rounds' own ratios: a machine that was slow in one round was so for both."""
    return median([run[name][figure] / run[other][figure] for run in runs])


def seconds(value):
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def milliseconds(value):
    return f"{value * 1000:.1f} ms" if value < 10 else seconds(value)


def megabytes(value):
    return f"{value / 1e6:,.1f} MB"


def table(header, rows):
    lines = [header, [":--" if number == 0 else "--:" for number in range(len(header))], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"


def about(facts):
    settings = ", ".join(f"{name} {value}" for name, value in facts["settings"].items())
    return (f"{facts['measured_at']}; `{facts['command']}`; migrator {facts['migrator']}; {facts['server']}; "
            f"{facts['processors']}, load {facts['load_average']:.1f}; files on {facts['filesystem']}.\n\n"
            f"Server settings: {settings}.\n")


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def write_json(folder, name, value):
    write(folder, name, json.dumps({"schema_version": 1, **value}, indent=2) + "\n")


def write_csv(folder, name, header, rows):
    with open(os.path.join(folder, name), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


# Charts

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 360, 80, 20, 40, 60


def text(x, y, words, anchor="middle", size=12, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{extra}>{html.escape(words)}</text>'


def rule(x1, x2, y1, y2, colour):
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def document(height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" fill="#333333">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>', text(WIDTH / 2, 22, title, size=15), *parts,
        "</svg>\n"])


def nice_step(span, count=6):
    """1, 2 or 5 times a power of ten, for about `count` steps."""
    rough = max(span, 1e-9) / count
    power = 10 ** math.floor(math.log10(rough))
    return power * min((1, 2, 5, 10), key=lambda factor: abs(factor - rough / power))


def label(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def line_chart(title, x_label, y_label, series, spans=(), logarithmic=False):
    """`series`: (name, points) with points in order of x. `spans`: (name, from, to) to be shaded."""
    points = [point for _, line in series for point in line]
    if not points:
        points = [(0, 0), (1, 1)]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top = max(max(y for _, y in points), 1e-9)
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    if logarithmic:
        floor = math.floor(math.log10(max(min(y for _, y in points if y > 0), 1e-3)))
        ceiling = max(math.ceil(math.log10(top)), floor + 1)
        marks = [10.0 ** power for power in range(floor, ceiling + 1)]
        height = lambda y: (math.log10(max(y, 10.0 ** floor)) - floor) / (ceiling - floor)
    else:
        marks = [nice_step(top) * number for number in range(math.ceil(top / nice_step(top)) + 1)]
        height = lambda y: y / marks[-1]
    across = lambda x: LEFT + (x - low) / max(high - low, 1e-9) * plot_width
    up = lambda y: TOP + plot_height * (1 - height(y))
    parts = []
    for name, begin, end in spans:
        parts.append(f'<rect x="{across(begin):.1f}" y="{TOP}" width="{max(across(end) - across(begin), 1):.1f}"'
                     f' height="{plot_height}" fill="#eef2f7"/>')
        parts.append(text((across(begin) + across(end)) / 2, TOP + 14, name, size=11))
    for mark in marks:
        parts.append(rule(LEFT, WIDTH - RIGHT, up(mark), up(mark), "#dddddd"))
        parts.append(text(LEFT - 6, up(mark) + 4, label(mark), anchor="end", size=11))
    step = nice_step(high - low, 10)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        x = across(number * step)
        parts.append(rule(x, x, TOP + plot_height, TOP + plot_height + 4, "#333333"))
        parts.append(text(x, TOP + plot_height + 17, label(round(number * step, 9)), size=11))
    for number, (name, line) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
        parts.append(text(LEFT + 10 + number * 200, HEIGHT - 8, name, anchor="start", extra=f' fill="{colour}"'))
    parts.append(text(WIDTH - RIGHT, HEIGHT - 8, x_label, anchor="end"))
    parts.append(text(18, TOP + plot_height / 2, y_label, extra=f' transform="rotate(-90 18 {TOP + plot_height / 2})"'))
    return document(HEIGHT, title, parts)


def bar_chart(title, bars, show):
    """`bars`: (name, value), drawn one below the other."""
    row, left = 26, 250
    longest = max(value for _, value in bars) or 1
    parts = []
    for number, (name, value) in enumerate(bars):
        y = TOP + number * row
        width = value / longest * (WIDTH - left - 120)
        parts.append(text(left - 8, y + 15, name, anchor="end"))
        parts.append(
            f'<rect x="{left}" y="{y + 3}" width="{max(width, 1):.1f}" height="{row - 8}" fill="{COLOURS[0]}"/>')
        parts.append(text(left + max(width, 1) + 6, y + 15, show(value), anchor="start"))
    return document(TOP + len(bars) * row + 15, title, parts)


def statements(rows, zero, buckets=900):
    """A line of a log of statements, in milliseconds: level for as long as each took, and of each of so many spans the
    longest one, so that a stall stays visible with its length."""
    points = [(float(row["began"]) - zero, float(row["milliseconds"])) for row in rows]
    if len(points) > buckets:
        low, high = points[0][0], points[-1][0]
        longest = {}
        for x, y in points:
            bucket = int((x - low) / max(high - low, 1e-9) * buckets)
            if bucket not in longest or y > longest[bucket][1]:
                longest[bucket] = (x, y)
        points = [longest[bucket] for bucket in sorted(longest)]
    return [end for x, y in points for end in ((x, y), (x + y / 1000, y))]
