#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Train the small BitNet b1.58 model, or its float twin with --float.

Writes to --out: checkpoint.pt (now and then, and at the end) and history.csv.
AdamW in two stages: --steps at a constant learning rate with weight decay, then
--cooldown steps in which the rate falls linearly to zero and nothing decays; the
BitNet training notes advise to end weight decay early, as it keeps latent
weights near the rounding threshold.  A run that was interrupted goes on with
--resume, with the same result.
"""

import argparse
import dataclasses
import json
import math
import os
import time

import numpy as np
import torch
from torch.nn import functional as F

import corpus
from model import Config, Model
from tokenizer import Tokenizer


def load_tokens(config, cache):
    """Return (tokenizer, train ids, validation ids, validation bytes); merges go to `cache`."""
    train, validation = corpus.load()
    if os.path.exists(cache):
        with open(cache, encoding="utf-8") as f:
            tokenizer = Tokenizer(json.load(f))
    else:
        tokenizer = Tokenizer.train(train, config.vocab)
        with open(cache, "w", encoding="utf-8") as f:
            json.dump(tokenizer.merges, f)
    ids = [torch.tensor(tokenizer.encode_documents(t)) for t in (train, validation)]
    return tokenizer, ids[0], ids[1], sum(map(len, validation))


def windows(ids, length, stride):
    """Windows of ids (n, length + 1), one every `stride`: inputs and, one later, targets."""
    return ids.unfold(0, length + 1, stride)


def batch(ids, length, size, generator):
    """Draw `size` windows at random: inputs and targets (size, length)."""
    start = torch.randint(len(ids) - length, (size,), generator=generator)
    rows = torch.stack([ids[s : s + length + 1] for s in start])
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def evaluate(model, rows):
    """Mean loss in nats a token over windows (n, length + 1)."""
    total = 0.0
    for part in rows.split(16):
        logits = model(part[:, :-1]).flatten(0, 1)
        total += F.cross_entropy(logits, part[:, 1:].flatten(), reduction="sum").item()
    return total / rows[:, 1:].numel()


def schedule(step, args):
    """Learning rate and weight decay of a step: constant, then linear to nothing without decay."""
    warm = min(1.0, (step + 1) / args.warmup)
    if step < args.steps:
        return args.lr * warm, args.decay
    return args.lr * (args.steps + args.cooldown - step) / args.cooldown, 0.0


def parameter_groups(model):
    """Decay the matrices, not the norm gains."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() != 2]
    return [{"params": matrices, "decay": 1.0}, {"params": gains, "decay": 0.0}]


def save(path, run, losses):
    """Write a checkpoint in one step, so that a reader never sees half of it."""
    torch.save(
        {
            "config": dataclasses.asdict(run.model.config),
            "merges": run.tokenizer.merges,
            "step": run.step,
            "losses": losses,
            "state": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "generator": run.generator.get_state(),
        },
        path + ".part",
    )
    os.replace(path + ".part", path)


class Run:
    """What changes during training, so that a checkpoint can go on as if never interrupted."""

    def __init__(self, model, tokenizer, args):
        self.model, self.tokenizer, self.step = model, tokenizer, 0
        self.optimizer = torch.optim.AdamW(parameter_groups(model), betas=(0.9, 0.95))
        self.generator = torch.Generator().manual_seed(args.seed)

    def resume(self, path):
        saved = torch.load(path, map_location="cpu")
        self.model.load_state_dict(saved["state"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(saved["generator"])
        self.step = saved["step"]

    def advance(self, ids, args):
        """One optimizer step; returns the batch's loss."""
        rate, decay = schedule(self.step, args)
        for group in self.optimizer.param_groups:
            group["lr"], group["weight_decay"] = rate, decay * group["decay"]
        x, y = batch(ids, self.model.config.context, args.batch, self.generator)
        loss = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.item()


def train_loop(run, data, args):
    """Run to the last step; log and save every args.every."""
    train_ids, val_ids = data
    begun, first, recent = time.time(), run.step, []
    rows = windows(val_ids, run.model.config.context, run.model.config.context)[:64]
    path = os.path.join(args.out, "history.csv")
    with open(path, "a" if first else "w", encoding="utf-8", buffering=1) as history:
        if not first:
            history.write("step,tokens,train,validation\n")
        while run.step < args.steps + args.cooldown:
            recent.append(run.advance(train_ids, args))
            if run.step % args.every == 0 or run.step == args.steps + args.cooldown:
                losses = {"train": float(np.mean(recent)), "validation": evaluate(run.model, rows)}
                tokens = run.step * args.batch * run.model.config.context
                history.write(
                    f"{run.step},{tokens},{losses['train']:.4f},{losses['validation']:.4f}\n"
                )
                speed = (time.time() - begun) / (run.step - first)
                shown = " ".join(f"{k} {v:.4f}" for k, v in losses.items())
                print(f"step {run.step} {shown} {speed:.3f} s/step", flush=True)
                save(os.path.join(args.out, "checkpoint.pt"), run, losses)
                recent = []


def final_losses(model, train_ids, val_ids, val_bytes):
    """Losses over the held-out text, and over as many windows spread over the training text."""
    length = model.config.context
    val_rows = windows(val_ids, length, length)
    val = evaluate(model, val_rows)
    train_rows = windows(train_ids, length, len(train_ids) // len(val_rows))
    bits = val * len(val_ids) / val_bytes / math.log(2.0)
    return {
        "train": evaluate(model, train_rows),
        "validation": val,
        "validation_bits_per_byte": bits,
    }


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, help="directory for the checkpoint and the history")
    parser.add_argument("--float", action="store_true", help="train the float baseline instead")
    parser.add_argument(
        "--steps", type=int, default=1300, help="steps at the constant learning rate"
    )
    parser.add_argument("--cooldown", type=int, default=700, help="steps of the second stage")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--batch", type=int, default=8, help="windows of 256 tokens a step")
    parser.add_argument("--lr", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay in the first stage")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=1, help="the result depends on it in the last digits"
    )
    parser.add_argument(
        "--every", type=int, default=100, help="steps between evaluations and checkpoints"
    )
    return parser.parse_args()


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    os.makedirs(args.out, exist_ok=True)
    model = Model(Config(ternary=not args.float))
    tokenizer, train_ids, val_ids, val_bytes = load_tokens(
        model.config, os.path.join(args.out, "merges.json")
    )
    size = sum(p.numel() for p in model.parameters())
    print(
        f"{size} parameters; {len(train_ids)} training tokens, {len(val_ids)} held out", flush=True
    )
    run, checkpoint = Run(model, tokenizer, args), os.path.join(args.out, "checkpoint.pt")
    if args.resume:
        run.resume(checkpoint)
    train_loop(run, (train_ids, val_ids), args)
    losses = final_losses(model, train_ids, val_ids, val_bytes)
    save(checkpoint, run, losses)
    print(json.dumps(losses, indent=2))


if __name__ == "__main__":
    main()
