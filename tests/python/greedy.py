"""Continues a prompt greedily with transformers, by plain forward passes, and prints one JSON object.

Usage: python greedy.py MODEL_DIR NEW_TOKENS PROMPT

    {"prompt": [ids], "tokens": [ids], "logp": [log-probability of each token]}
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(path, new_tokens, prompt):
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    prompt_ids = tokenizer(prompt, add_special_tokens=False).input_ids
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    ids, logp = list(prompt_ids), []
    with torch.no_grad():
        for _ in range(int(new_tokens)):
            scores = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1)
            best = int(scores.argmax())
            ids.append(best)
            logp.append(float(scores[best]))
            if best in ends:
                break
    print(json.dumps({"prompt": prompt_ids, "tokens": ids[len(prompt_ids):], "logp": logp}))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
