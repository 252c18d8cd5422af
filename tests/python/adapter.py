"""Greedy continuation by a base model with an adapter that PEFT loads: python adapter.py BASE ADAPTER NEW_TOKENS PROMPT"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter, count, prompt = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(adapter)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter).eval()
ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
tokens, logp = [], []
with torch.no_grad():
    for _ in range(count):
        row = model(input_ids=ids).logits[0, -1].log_softmax(-1)
        token = int(row.argmax())
        tokens.append(token)
        logp.append(float(row[token]))
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
        if token == model.config.eos_token_id:
            break
names = sorted(n for n, p in model.named_parameters() if "lora_" in n)
print(json.dumps({"tokens": tokens, "logp": logp, "adapters": len(names)}))
