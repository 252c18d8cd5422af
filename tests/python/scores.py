"""Scores of rows of tokens by a reward model's directory: `scores.py DIR ROWS.json` prints them as JSON, computed in one padded batch."""
import json
import sys

import torch
from transformers import AutoModelForSequenceClassification

model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=torch.float32)
assert model.config.num_labels == 1, model.config.num_labels
rows = json.load(open(sys.argv[2]))
longest = max(map(len, rows))
pad = model.config.pad_token_id
ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
with torch.no_grad():
    scores = model(input_ids=ids, attention_mask=mask).logits[:, 0]
print(json.dumps({"class": type(model).__name__, "scores": scores.tolist()}))
