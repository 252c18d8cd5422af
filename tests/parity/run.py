"""Trains with TRL and with collimate on the same rows in the same order and compares the loss of every step.

usage: run.py {sft,dpo,reward} --model DIR --data FILE [--steps 20] [--rows 8] [--lr 1e-5] [--python PATH] [--collimate PATH] [--store FILE]

DIR is a Hugging Face directory. FILE holds GSM8K rows {question, answer} or demonstrations {prompt, completion} for sft, pairs
{prompt, chosen, rejected} or HH-RLHF dialogues {chosen, rejected} for dpo and reward; JSON lines, plain or gzip. Both sides compute in
float32 with AdamW (weight decay 0, clipping at 1, constant rate). Exit code 1: a loss of steps 1 to 5 differs by more than 1e-4 of itself,
or a later one by more than 1e-3.

TRL runs in an environment of its own, made on first use from requirements.txt beside this file; --python names one that is there already.
"""
import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "\n\nAssistant:"


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("algo", choices=["sft", "dpo", "reward"])
    ap.add_argument("--model", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--rows", type=int, default=8, help="rows of a step")
    ap.add_argument("--lr", type=float, default=1e-5)
    ap.add_argument("--max-length", type=int, default=256, help="longer rows are left out")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--python", help="a Python that has TRL")
    ap.add_argument("--collimate", help="the binary; by default target/release/collimate")
    ap.add_argument("--store", help="write rows, settings and both trajectories to this JSON file")
    ap.add_argument("--peer", help=argparse.SUPPRESS)  # this process is the one that runs TRL: the folder to work in
    return ap.parse_args()


def environment(python):
    """A Python that has TRL as requirements.txt pins it."""
    if python:
        return python
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "collimate" / "parity"
    found = cache / "bin" / "python"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = cache / "requirements.txt"
    if not found.exists() or not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {cache} from requirements.txt", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(cache)], check=True)
        subprocess.run([str(found), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")], check=True)
        stamp.write_text(wanted)
    return str(found)


def rows_of(path, algo):
    """The rows in the published shapes."""
    opened = gzip.open(path, "rt", encoding="utf-8") if str(path).endswith(".gz") else open(path, encoding="utf-8")
    with opened as lines:
        for line in lines:
            row = json.loads(line)
            if algo == "sft":
                if "question" in row:
                    row = {"prompt": row["question"] + "\n", "completion": row["answer"]}
                yield {key: row[key] for key in ("prompt", "completion")}
                continue
            if "prompt" not in row:
                chosen, rejected = row["chosen"], row["rejected"]
                shared = len(os.path.commonprefix([chosen, rejected]))
                cut = chosen[:shared].rfind(MARK)
                if cut < 0:
                    continue
                cut += len(MARK)
                row = {"prompt": chosen[:cut], "chosen": chosen[cut:], "rejected": rejected[cut:]}
            yield {key: row[key] for key in ("prompt", "chosen", "rejected")}


def peer(a):
    """Runs TRL in this process; the losses go to losses.json."""
    for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[key] = str(a.threads)
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")
    import torch
    import trl
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(a.threads)
    work = Path(a.peer)
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    wanted, rows = a.steps * a.rows, []
    for row in rows_of(a.data, a.algo):
        sides = ["completion"] if a.algo == "sft" else ["chosen", "rejected"]
        if max(len(tokenizer(row["prompt"] + row[side])["input_ids"]) + 1 for side in sides) <= a.max_length:
            rows.append(row)
        if len(rows) == wanted:
            break
    if len(rows) < wanted:
        sys.exit(f"{a.data} has {len(rows)} rows of at most {a.max_length} tokens, {wanted} are needed; take fewer steps")
    (work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = a.model
    if a.algo == "reward" and "ForSequenceClassification" not in (Path(a.model) / "config.json").read_text():
        # Both sides start from one scalar head.
        torch.manual_seed(0)
        scorer = AutoModelForSequenceClassification.from_pretrained(a.model, num_labels=1, dtype=torch.float32)
        scorer.config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        model = str(work / "scorer")
        scorer.save_pretrained(model)
        tokenizer.save_pretrained(model)
    (work / "model").write_text(str(model))
    common = dict(output_dir=str(work / "trl"), use_cpu=True, bf16=False, fp16=False, max_steps=a.steps, learning_rate=a.lr,
                  lr_scheduler_type="constant", warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, per_device_train_batch_size=a.rows,
                  gradient_accumulation_steps=1, gradient_checkpointing=False, max_length=a.max_length, train_sampling_strategy="sequential",
                  save_strategy="no", report_to="none", logging_steps=1, disable_tqdm=True, seed=0, model_init_kwargs={"dtype": "float32"})
    kinds = {"sft": (trl.SFTTrainer, trl.SFTConfig, {}), "dpo": (trl.DPOTrainer, trl.DPOConfig, {"beta": 0.1}),
             "reward": (trl.RewardTrainer, trl.RewardConfig, {})}
    trainer_class, config_class, more = kinds[a.algo]
    trainer = trainer_class(model=model, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, args=config_class(**common, **more))
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    losses, compute = [], trainer.compute_loss

    def noted(*args, **kwargs):
        out = compute(*args, **kwargs)
        losses.append((out[0] if isinstance(out, tuple) else out).item())
        return out

    trainer.compute_loss = noted
    trainer.train()
    (work / "losses.json").write_text(json.dumps({"losses": losses, "trl": trl.__version__, "torch": torch.__version__}))


def ours(a, work, model):
    """Runs collimate on the rows that TRL was given."""
    binary = a.collimate or str(HERE.parent.parent / "target" / "release" / "collimate")
    algorithm = {"sft": "sft", "dpo": "dpo", "reward": "reward_model"}[a.algo]
    form = "prompt-completion" if a.algo == "sft" else "preference"
    words = [f"run.name=parity-{a.algo}", f"run.dir={work}", f"run.steps={a.steps}", f"run.threads={a.threads}", f"model.path={model}",
             f"data.format={form}", f"data.train={work / 'rows.jsonl'}", "data.shuffle=false", "data.heldout_rows=0",
             f"algorithm.name={algorithm}", f"learner.rows={a.rows}", f"learner.lr={a.lr}", f"learner.max_length={a.max_length}",
             "learner.clip_grad=1.0", "learner.weight_decay=0.0", "log.tensorboard=false"]
    subprocess.run([binary, "train", *words], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(work / f"parity-{a.algo}" / "metrics.jsonl")]
    return [line["loss"] for line in lines if "loss" in line]


def main():
    a = parse()
    if a.peer:
        return peer(a)
    work = Path(tempfile.mkdtemp(prefix="collimate-parity-"))
    try:
        python = environment(a.python)
        subprocess.run([python, str(HERE / "run.py"), *sys.argv[1:], "--peer", str(work)], check=True, stdout=subprocess.DEVNULL)
        theirs = json.loads((work / "losses.json").read_text())
        mine = ours(a, work, (work / "model").read_text())
        if len(mine) != len(theirs["losses"]):
            sys.exit(f"{len(mine)} steps here, {len(theirs['losses'])} there")
        breaches, far = [], [0.0, 0.0]
        for step, (x, y) in enumerate(zip(mine, theirs["losses"]), 1):
            relative, allowed = abs(x - y) / abs(y), 1e-4 if step <= 5 else 1e-3
            far[step > 5] = max(far[step > 5], relative)
            print(f"step {step:3}  collimate {x:.7f}  trl {y:.7f}  relative {relative:.1e}  allowed {allowed:.0e}")
            if not relative <= allowed:
                breaches.append(step)
        print(f"{a.algo}: largest relative difference {far[0]:.1e} in steps 1 to 5, {far[1]:.1e} after; TRL {theirs['trl']}")
        if a.store:
            rows = [json.loads(line) for line in open(work / "rows.jsonl")]
            kept = dict(rows_of_a_step=a.rows, lr=a.lr, max_length=a.max_length, trl=theirs["trl"], losses=theirs["losses"], rows=rows)
            Path(a.store).write_text(json.dumps(kept, indent=1) + "\n")
        if breaches:
            sys.exit(f"steps {breaches} differ by more than is allowed")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
