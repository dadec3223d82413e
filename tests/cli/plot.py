#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether an SVG picture of bitnpu bench shows every row of its JSON, legibly.

usage: plot.py PICTURE.svg RESULTS.json
"""

import json
import math
import sys
import xml.etree.ElementTree as xml

SVG = "{http://www.w3.org/2000/svg}"
# Of a character, on average, in the font that the picture asks for.
WIDTH = 0.6


def box_of(text):
    size, x, y = (float(text.get(name)) for name in ("font-size", "x", "y"))
    width = WIDTH * size * len(text.text)
    left = x - {"start": 0, "middle": width / 2, "end": width}[text.get("text-anchor")]
    return left, y - 0.75 * size, left + width, y + 0.2 * size


def overlap(p, q):
    return p[0] < q[2] and q[0] < p[2] and p[1] < q[3] and q[1] < p[3]


def label_of(row):
    if row["n"]:
        return f"{row['format']} {row['m']}×{row['n']}×{row['k']}"
    if row["kind"] == "prefill":
        return f"prefill {row['tokens']}, "
    several = f", {row['parallel']} sequences" if row["parallel"] > 1 else ""
    return f"decode at {row['depth']}{several}, "


def check(picture, results):
    root = xml.parse(picture).getroot()
    with open(results, encoding="ascii") as file:
        rows = json.load(file)["rows"]
    assert root.tag == SVG + "svg"
    width, height = float(root.get("width")), float(root.get("height"))
    texts = root.findall(SVG + "text")
    level = [text for text in texts if not text.get("transform")]
    boxes = [box_of(text) for text in level]
    for i, box in enumerate(boxes):
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height, level[i].text
        for j in range(i):
            assert not overlap(box, boxes[j]), f"{level[i].text!r} over {level[j].text!r}"
    labels = [text.text for text in level]
    for row in rows:
        assert any(label.startswith(label_of(row)) for label in labels), label_of(row)
    discs = [(float(c.get("cx")), float(c.get("cy"))) for c in root.findall(SVG + "circle")]
    assert len(discs) == len(rows) + len({row["device"] for row in rows}), len(discs)
    check_places(rows, discs[-len(rows):])
    for roof in ("read bandwidth ", "peak "):
        assert any(text.text.startswith(roof) for text in texts) or all(
            row["roof_gbps" if roof[0] == "r" else "roof_gops"] is None for row in rows), roof


def check_places(rows, discs):
    """Logarithmic axes: places are linear in the logarithms, whatever the scale."""
    for axis, value in ((0, lambda row: row["gops"] / row["gbps"]), (1, lambda row: row["gops"])):
        logs = sorted(math.log(value(row)) for row in rows)
        places = sorted(disc[axis] for disc in discs)
        if axis:
            places = [-place for place in reversed(places)]
        if logs[-1] - logs[0] < 1e-6:
            continue
        scale = (places[-1] - places[0]) / (logs[-1] - logs[0])
        for log, place in zip(logs, places):
            assert abs(place - places[0] - scale * (log - logs[0])) < 0.1, (axis, log, place)


if __name__ == "__main__":
    check(sys.argv[1], sys.argv[2])
