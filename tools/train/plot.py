#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw the losses of several training runs (history.csv of train.py) into one picture."""

import argparse

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend comes first)
import numpy as np  # noqa: E402

COLOURS = ["#0b6e99", "#d9730d", "#448361", "#9065b0"]


def draw(axes, label, path, colour):
    """Add one run: held-out loss as a line, training loss as a faint one."""
    history = np.genfromtxt(path, delimiter=",", names=True)
    tokens = history["tokens"] / 1e6
    last = history["validation"][-1]
    axes.plot(tokens, history["validation"], color=colour, label=f"{label}, held out: {last:.2f}")
    faint = {"color": colour, "alpha": 0.35, "linewidth": 1}
    axes.plot(tokens, history["train"], label=f"{label}, training batches", **faint)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="LABEL=CSV", help="a run's name and its history")
    parser.add_argument("-o", "--output", required=True, help="PNG to write")
    parser.add_argument("--title", default="")
    parser.add_argument("--cooldown", type=float, help="tokens before the second stage: marked")
    args = parser.parse_args()
    figure, axes = plt.subplots(figsize=(7.2, 4.2), dpi=110)
    for run, colour in zip(args.runs, COLOURS):
        draw(axes, *run.split("=", 1), colour)
    if args.cooldown:
        axes.axvline(args.cooldown / 1e6, color="#888888", linestyle=":", linewidth=1)
        note = {"fontsize": 8, "color": "#666666", "ha": "right"}
        axes.text(args.cooldown / 1e6, axes.get_ylim()[0], "learning rate falls from here ", **note)
    axes.set(xlabel="training tokens, millions", ylabel="loss, nats per token", title=args.title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(args.output)


if __name__ == "__main__":
    main()
