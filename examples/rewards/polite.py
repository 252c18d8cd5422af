#!/usr/bin/env python3
"""A reward in Python, with the standard library alone: JSON lines over standard input, which is a socket.

    [[reward]]
    plugin = ["python3", "examples/rewards/polite.py"]
    config = { word = "please" }

Copy this file and change `judge`. What it prints goes to the reward's log; `sys.stdout` is free.
"""

import json
import os
import sys
import traceback


def judge(item, config):
    """One answer: a number, or a dict of named numbers whose sum is the score. Raise to say that it cannot be judged."""
    text = item["answer"]["text"]
    if item["truth"] == "unknown":
        raise ValueError("nobody knows what is right here")
    return {"polite": float(config.get("word", "please") in text.lower()), "brief": float(len(text) <= 80)}


def verdict(item, config):
    try:
        score = judge(item, config)
    except Exception as error:
        traceback.print_exc()
        return {"unscorable": f"{type(error).__name__}: {error}"}
    if isinstance(score, dict):
        return {"score": sum(score.values()), "parts": score}
    return {"score": float(score)}


def main():
    if "COLLIMATE_REWARD_PROTOCOL" not in os.environ:
        sys.exit("this is a reward plugin of Collimate; try it with `collimate reward test`")
    # The socket is both ways; what this program starts shall not have it as its standard input.
    socket = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lines = os.fdopen(socket, "r", encoding="utf-8", newline="\n", closefd=False)

    def say(message):
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(socket, data):]

    say({"collimate_reward": 1, "name": "polite", "version": "1.0", "range": [0, 2], "deterministic": True})
    config = json.loads(lines.readline())["config"]
    unknown = sorted(set(config) - {"word"})
    if unknown:
        say({"refused": f"unknown settings {unknown}; there is `word`"})
        return
    say({"ready": True})
    for line in lines:
        item = json.loads(line)
        say({"id": item["id"], **verdict(item, config)})


if __name__ == "__main__":
    main()
