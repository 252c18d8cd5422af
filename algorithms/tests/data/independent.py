"""Independent float64 values and gradients of every algorithm, from the equations on the cards, in plain loops.

Run without packages: python3 independent.py > independent.json
A gradient is a difference over five points. What an equation stops the gradient of is computed from the unmoved numbers (the argument `at`).
"""

import json
import math
import random

STEP = 1e-4
GROUPS, SIZE, T = 2, 3, 4
ROWS = GROUPS * SIZE
LENGTHS = [4, 3, 2, 4, 1, 3]
draw = random.Random(20).uniform


def grid(low, high):
    return [[round(draw(low, high), 3) for _ in range(T)] for _ in range(ROWS)]


LEAVES = {
    "logp_old": grid(-3.0, -0.3),
    "trained": [[1.0 if t < n else 0.0 for t in range(T)] for n in LENGTHS],
    "entropy": grid(0.2, 2.0),
    "full_kl": grid(0.0, 0.4),
    "values": grid(-1.0, 1.0),
}
LEAVES["trained"][3][1] = 0.0  # an answer of a tool: not trained, and in the middle
OLD, ON = LEAVES["logp_old"], LEAVES["trained"]


def moved(by):
    return [[round(OLD[b][t] + draw(-by, by), 3) for t in range(T)] for b in range(ROWS)]


LEAVES["logp"], LEAVES["logp_ref"], LEAVES["logp_behaviour"] = moved(0.6), moved(0.8), moved(0.9)
LEAVES["value_predictions"] = [[round(v + draw(-0.5, 0.5), 3) for v in row] for row in LEAVES["values"]]
LEAVES["scores"], LEAVES["greedy"], LEAVES["lengths"] = [[1.0, -0.5, 0.3], [2.0, 0.4, 0.9]], [0.25, 1.5], LENGTHS
REF, BEHAVIOUR = LEAVES["logp_ref"], LEAVES["logp_behaviour"]
COUNT = [sum(row) for row in ON]
TOKENS = sum(COUNT)
MAX_NEW = 8.0


def log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def sigmoid(x):
    return math.exp(log_sigmoid(x))


def mean(x):
    return sum(x) / len(x)


def deviation(x):
    return math.sqrt(sum((v - mean(x)) ** 2 for v in x) / (len(x) - 1))


def cut(x, low, high):
    return min(max(x, low), high)


# --- the KL to the reference -------------------------------------------------------------------------------------------------------------


def estimate(kind, d):
    """Of d = log pi - log pi_ref."""
    return {"k1": d, "k2": d * d / 2, "k3": math.exp(-d) - 1 + d, "abs": abs(d)}[kind]


# --- credit: [ROWS][T] -------------------------------------------------------------------------------------------------------------------


def spread(rows):
    return [[rows[b] * ON[b][t] for t in range(T)] for b in range(ROWS)]


def charged(k):
    """Scores by group, after the KL in the reward and the overlong penalty."""
    out = []
    for b in range(ROWS):
        score = LEAVES["scores"][b // SIZE][b % SIZE]
        if k.get("overlong_limit"):
            over = (LENGTHS[b] - (k["overlong_limit"] - k["overlong_buffer"])) / k["overlong_buffer"]
            score -= k["overlong_penalty"] * cut(over, 0, 1)
        if k["kl_in"] == "reward":
            score -= k["beta"] * sum(estimate(k["kl_estimator"], OLD[b][t] - REF[b][t]) * ON[b][t] for t in range(T))
        out.append(score)
    return [out[:SIZE], out[SIZE:]]


def centred(k):
    scores = charged(k)
    everything = [r for g in scores for r in g]
    below = lambda g: {"group": deviation(g) + 1e-4, "batch": deviation(everything) + 1e-4, "none": 1.0}[k["scale_rewards"]]
    return spread([(r - mean(g)) / below(g) for g in scores for r in g])


def leave_one_out(k):
    rows = [r - (sum(g) - r) / (SIZE - 1) for g in charged(k) for r in g]
    if k["normalize"]:
        rows = [(a - mean(rows)) / (deviation(rows) + 1e-4) for a in rows]
    return spread(rows)


def batch_mean(k):
    rows = [r for g in charged(k) for r in g]
    return spread([r - mean(rows) for r in rows])


def against_greedy(k):
    return spread([r - LEAVES["greedy"][p] for p, g in enumerate(charged(k)) for r in g])


def length_weighted(k):
    rows = []
    for p, g in enumerate(charged(k)):
        n = COUNT[p * SIZE : (p + 1) * SIZE]
        base = sum(a * b for a, b in zip(n, g)) / sum(n)
        rows += [r - base for r in g]
    return spread(rows)


def whitened(rows):
    flat = [rows[b][t] for b in range(ROWS) for t in range(T) if ON[b][t]]
    m = mean(flat)
    scale = math.sqrt(sum((v - m) ** 2 for v in flat) / (len(flat) - 1) + 1e-8)
    return [[(rows[b][t] - m) / scale * ON[b][t] for t in range(T)] for b in range(ROWS)]


def centred_whitened(k):
    return whitened(spread([r - mean(g) for g in charged(k) for r in g]))


def token_rewards(b, k):
    """Of the trained tokens alone, with their places."""
    places = [t for t in range(T) if ON[b][t]]
    rewards = [-k["beta"] * estimate(k["kl_estimator"], OLD[b][t] - REF[b][t]) if k["kl_in"] == "reward" else 0.0 for t in places]
    rewards[-1] += LEAVES["scores"][b // SIZE][b % SIZE]
    return places, rewards


def reward_to_go(k):
    rows = [[0.0] * T for _ in range(ROWS)]
    for b in range(ROWS):
        places, rewards = token_rewards(b, k)
        for i, t in enumerate(places):
            rows[b][t] = sum(k["gamma"] ** (j - i) * rewards[j] for j in range(i, len(places)))
    return whitened(rows)


def gae_rows(k, decay):
    """A_t = sum_l (gamma lambda)^l delta_{t+l}."""
    rows = [[0.0] * T for _ in range(ROWS)]
    for b in range(ROWS):
        places, rewards = token_rewards(b, k)
        v = [LEAVES["values"][b][t] for t in places] + [0.0]
        delta = [rewards[i] + k["gamma"] * v[i + 1] - v[i] for i in range(len(places))]
        for i, t in enumerate(places):
            rows[b][t] = sum((k["gamma"] * decay) ** (j - i) * delta[j] for j in range(i, len(places)))
    return rows


def gae(k):
    rows = gae_rows(k, k["lambda"])
    return whitened(rows) if k["whiten"] else rows


def returns(k):
    rows = gae_rows(k, k["lambda"] if k["lambda_critic"] is None else k["lambda_critic"])
    return [[(rows[b][t] + LEAVES["values"][b][t]) * ON[b][t] for t in range(T)] for b in range(ROWS)]


# --- gates: one number a token, [T] of row b ---------------------------------------------------------------------------------------------


def surrogate(ratio, a, k):
    bound = min(ratio, k["delta"]) if k["delta"] else ratio
    loss = -min(bound * a, cut(ratio, 1 - k["epsilon_low"], 1 + k["epsilon_high"]) * a)
    return min(loss, -k["dual_clip"] * a) if k["dual_clip"] and a < 0 else loss


def clipped(L, at, b, a, k):
    return [surrogate(math.exp(L[b][t] - OLD[b][t]), a[t], k) for t in range(T)]


def row_credit(a, b):
    return sum(a[t] * ON[b][t] for t in range(T)) / COUNT[b]


def row_log_ratio(L, b):
    return sum((L[b][t] - OLD[b][t]) * ON[b][t] for t in range(T))


def clipped_sequence(L, at, b, a, k):
    return [surrogate(math.exp(row_log_ratio(L, b)), row_credit(a, b), k)] * T


def clipped_sequence_mean(L, at, b, a, k):
    return [surrogate(math.exp(row_log_ratio(L, b) / COUNT[b]), row_credit(a, b), k)] * T


def plain(L, at, b, a, k):
    return [-a[t] * L[b][t] for t in range(T)]


def capped_weight(L, at, b, a, k):
    return [-cut(math.exp(at[b][t] - OLD[b][t]), k["ratio_min"], k["ratio_max"]) * a[t] * L[b][t] for t in range(T)]


def soft_gate(L, at, b, a, k):
    out = []
    for t in range(T):
        tau = k["temperature_pos"] if a[t] > 0 else k["temperature_neg"]
        out.append(-4 / tau * sigmoid(tau * (math.exp(L[b][t] - OLD[b][t]) - 1)) * a[t])
    return out


def gamma_weight(L, at, b, a, k):
    w = math.exp(row_log_ratio(at, b))
    power, decay = (k["k_pos"], k["lambda_pos"]) if row_credit(a, b) >= 0 else (k["k_neg"], k["lambda_neg"])
    return [-(w**power) * math.exp(decay * (1 - w)) * a[t] * L[b][t] for t in range(T)]


def geometric_mean(L, at, b, a, k):
    credit = row_credit(a, b)
    sign = (credit > 0) - (credit < 0)
    kept = 0.0
    for t in range(T):
        l = L[b][t] - OLD[b][t]
        kept += sign * min(sign * l, sign * cut(l, -k["epsilon_low"], k["epsilon_high"])) * ON[b][t]
    return [-credit * math.exp(kept / COUNT[b])] * T


# --- the loss ----------------------------------------------------------------------------------------------------------------------------


def weight(b, t, k):
    """Of the mismatch between the old policy and the law that drew."""
    kind, low, high = k["correction"], k["correction_low"], k["correction_high"]
    token = math.exp(OLD[b][t] - BEHAVIOUR[b][t])
    whole = math.exp(sum((OLD[b][i] - BEHAVIOUR[b][i]) * ON[b][i] for i in range(T)))
    low = {"icepop": 0.5}.get(kind, 0.0) if low is None else low
    high = {"icepop": 5.0, "sequence_mask": 3.0}.get(kind, 2.0) if high is None else high
    band = lambda w: w if low <= w <= high else 0.0
    return {
        "none": 1.0,
        "tis_token": min(token, high),
        "tis_sequence": min(whole, high),
        "icepop": band(token),
        "sequence_mask": band(whole),
    }[kind]


def penalty(L, at, b, t, F, k):
    if k["kl_in"] == "reward" or k["beta"] == 0:
        return 0.0
    if k["kl_estimator"] == "full":
        return k["beta"] * F[b][t]
    d, now = L[b][t] - REF[b][t], at[b][t] - REF[b][t]
    if k["kl_straight_through"]:
        return k["beta"] * (estimate(k["kl_estimator"], now) + d * d / 2 - now * now / 2)
    ratio = math.exp(L[b][t] - OLD[b][t]) if k["kl_correction"] else 1.0
    return k["beta"] * estimate(k["kl_estimator"], d) * ratio


def reduced(each, how):
    sums = [sum(each[b][t] * ON[b][t] for t in range(T)) for b in range(ROWS)]
    return {
        "token_mean": sum(sums) / TOKENS,
        "token_sum": sum(sums),
        "sequence_mean_token_mean": sum(s / n for s, n in zip(sums, COUNT)) / ROWS,
        "sequence_mean_token_sum": sum(sums) / ROWS,
        "fixed_length": sum(sums) / (ROWS * MAX_NEW),
    }[how]


def online_loss(gate, credit, k, L, E, F, at):
    each = []
    for b in range(ROWS):
        row = gate(L, at, b, credit[b], k)
        each.append([row[t] * weight(b, t, k) + penalty(L, at, b, t, F, k) - k["entropy"] * E[b][t] for t in range(T)])
    return reduced(each, k["aggregation"])


def gradient(f, x):
    """Of f at a list or a list of lists."""
    if isinstance(x[0], list):
        return [gradient(lambda row, b=b: f(x[:b] + [row] + x[b + 1 :]), x[b]) for b in range(len(x))]
    bump = lambda i, by: x[:i] + [x[i] + by] + x[i + 1 :]
    at = lambda i, steps: f(bump(i, steps * STEP))
    return [(8 * (at(i, 1) - at(i, -1)) - (at(i, 2) - at(i, -2))) / (12 * STEP) for i in range(len(x))]


SHARED = {
    "epsilon_low": 0.2, "epsilon_high": 0.2, "delta": None, "dual_clip": None, "scale_rewards": "group",
    "beta": 0.0, "kl_in": "loss", "kl_estimator": "k3", "kl_correction": True, "kl_straight_through": False,
    "entropy": 0.0, "aggregation": "token_mean", "correction": "none", "correction_low": None, "correction_high": None,
}  # fmt: skip
IN_REWARD = {"kl_in": "reward", "kl_estimator": "k1"}
BY_ROW = {"aggregation": "sequence_mean_token_mean"}
SUMMED = {"aggregation": "sequence_mean_token_sum"}

# name: (credit, gate, defaults that differ from SHARED)
ONLINE = {
    "grpo": (centred, clipped, BY_ROW),
    "dr_grpo": (centred, clipped, {"scale_rewards": "none", "aggregation": "fixed_length"}),
    "dapo": (centred, clipped, {"epsilon_high": 0.28}),
    "lite_ppo": (centred, clipped, {"scale_rewards": "batch"}),
    "gspo": (centred, clipped_sequence_mean, {"epsilon_low": 3e-4, "epsilon_high": 4e-4, **BY_ROW}),
    "cispo": (centred, capped_weight, {"ratio_min": 0.0, "ratio_max": 5.0}),
    "sapo": (centred, soft_gate, {"temperature_pos": 1.0, "temperature_neg": 1.05, **BY_ROW}),
    "vespo": (centred, gamma_weight, {"k_pos": 2.0, "lambda_pos": 3.0, "k_neg": 3.0, "lambda_neg": 2.0}),
    "gmpo": (centred, geometric_mean, {"epsilon_low": 0.4, "epsilon_high": 0.4, **BY_ROW}),
    "rloo": (leave_one_out, clipped_sequence, {"normalize": False, **IN_REWARD, **BY_ROW}),
    "reinforce": (batch_mean, plain, IN_REWARD),
    "reinforce_pp": (reward_to_go, clipped, {"gamma": 1.0, **IN_REWARD}),
    "reinforce_pp_baseline": (centred_whitened, clipped, {"kl_estimator": "k2"}),
    "remax": (against_greedy, plain, {**IN_REWARD, **SUMMED}),
    "opo": (length_weighted, plain, {**IN_REWARD, **SUMMED}),
    "ppo": (gae, clipped, {"gamma": 1.0, "lambda": 0.95, "lambda_critic": None, "whiten": True, "value_clip": 0.2, **IN_REWARD}),
}  # fmt: skip

# What is run besides the defaults.
KNOBS = {
    "grpo": [
        {"beta": 0.04},
        {"beta": 0.04, "kl_estimator": "k1"},
        {"beta": 0.04, "kl_estimator": "k2", "kl_correction": False},
        {"beta": 0.04, "kl_estimator": "abs", "kl_correction": False},
        {"beta": 0.04, "kl_estimator": "k1", "kl_straight_through": True, "kl_correction": False},
        {"beta": 0.04, "kl_estimator": "full"},
        {"beta": 0.04, "kl_estimator": "k3", "kl_in": "reward"},
        {"entropy": 0.01, "scale_rewards": "batch"},
        {"delta": 1.4, "scale_rewards": "none"},
        {"dual_clip": 1.25},
        *({"aggregation": how} for how in ["token_mean", "token_sum", "sequence_mean_token_sum", "fixed_length"]),
        *({"correction": how} for how in ["tis_token", "tis_sequence", "sequence_mask"]),
        {"correction": "icepop", "correction_low": 0.8, "correction_high": 1.5},
    ],
    "dr_grpo": [{"beta": 0.1}],
    "dapo": [{"overlong_limit": 4, "overlong_buffer": 2, "overlong_penalty": 0.5}],
    "lite_ppo": [{"beta": 0.1}],
    "gspo": [
        {"epsilon_low": 0.1, "epsilon_high": 0.15, "beta": 0.04},
        {"epsilon_low": 0.1, "epsilon_high": 0.15, "correction": "tis_token", "entropy": 0.01},
        {"correction": "sequence_mask"},
    ],
    "cispo": [{"ratio_min": 0.8, "ratio_max": 1.2}],
    "sapo": [{"temperature_pos": 3.0, "temperature_neg": 4.0}],
    "vespo": [{"k_pos": 1.0, "lambda_neg": 0.5}],
    "gmpo": [{"epsilon_low": 0.1, "epsilon_high": 0.2, "beta": 0.04}],
    "rloo": [{"beta": 0.05, "normalize": True}, {"beta": 0.05, "kl_estimator": "k2", "epsilon_low": 0.9, "epsilon_high": 5.0}],
    "reinforce": [{"beta": 0.05, "aggregation": "fixed_length"}],
    "reinforce_pp": [{"gamma": 0.9, "beta": 0.05}, {"beta": 0.05, "kl_estimator": "k3"}],
    "reinforce_pp_baseline": [{"beta": 0.05}],
    "remax": [{"beta": 0.05}],
    "opo": [{"beta": 0.05}],
    "ppo": [{"gamma": 0.9, "lambda": 0.8, "lambda_critic": 1.0, "beta": 0.05}, {"whiten": False, "value_clip": None}],
}


def value_loss(V, k, target):
    total = 0.0
    for b in range(ROWS):
        for t in range(T):
            old, c = LEAVES["values"][b][t], k["value_clip"]
            error = (V[b][t] - target[b][t]) ** 2
            if c is not None:
                error = max(error, (cut(V[b][t], old - c, old + c) - target[b][t]) ** 2)
            total += 0.5 * error * ON[b][t]
    return total / TOKENS


def online_case(name, knobs):
    credit_of, gate, defaults = ONLINE[name]
    k = {**SHARED, **defaults, **knobs}
    credit = credit_of(k)
    L, E, F = LEAVES["logp"], LEAVES["entropy"], LEAVES["full_kl"]
    case = {
        "algorithm": name,
        "knobs": knobs,
        "credit": credit,
        "loss": online_loss(gate, credit, k, L, E, F, L),
        "gradient": gradient(lambda x: online_loss(gate, credit, k, x, E, F, L), L),
    }
    if k["entropy"]:
        case["gradient_entropy"] = gradient(lambda x: online_loss(gate, credit, k, L, x, F, L), E)
    if k["kl_estimator"] == "full":
        case["gradient_full_kl"] = gradient(lambda x: online_loss(gate, credit, k, L, E, x, L), F)
    if name == "ppo":
        target = returns(k)
        V = LEAVES["value_predictions"]
        case |= {"returns": target, "critic_loss": value_loss(V, k, target), "critic_gradient": gradient(lambda x: value_loss(x, k, target), V)}
    return case


# --- pairs -------------------------------------------------------------------------------------------------------------------------------

PAIRS = {
    "chosen": [-12.3, -30.1, -7.7],
    "rejected": [-14.8, -22.4, -9.1],
    "chosen_ref": [-13.1, -29.2, -8.9],
    "rejected_ref": [-14.1, -23.6, -8.8],
    "chosen_tokens": [9.0, 21.0, 5.0],
    "rejected_tokens": [11.0, 14.0, 7.0],
}


def scores(C, R, kind):
    out = []
    for x, side in ((C, "chosen"), (R, "rejected")):
        h = [a - b for a, b in zip(x, PAIRS[side + "_ref"])] if "ratio" in kind else x
        out.append([a / n for a, n in zip(h, PAIRS[side + "_tokens"])] if "mean" in kind else h)
    return out


def smooth(f, d, e):
    return (1 - e) * f(d) + e * f(-d)


def log_odds(logp):
    return logp - math.log(1 - math.exp(logp))


def bco(c, r, k, at):
    delta = mean([k["beta"] * h for side in at for h in side]) if k.get("shift", True) else 0.0
    return -log_sigmoid(k["beta"] * c - delta) - log_sigmoid(-(k["beta"] * r - delta))


def exo(c, r, k, at):
    d, e = k["beta"] * (c - r), k["label_smoothing"]
    return sigmoid(d) * (log_sigmoid(d) - math.log(1 - e)) + sigmoid(-d) * (log_sigmoid(-d) - math.log(e))


def robust(c, r, k, at):
    d, e = k["beta"] * (c - r), k["label_smoothing"]
    return (-(1 - e) * log_sigmoid(d) + e * log_sigmoid(-d)) / (1 - 2 * e)


def nca(c, r, k, at):
    c, r = k["beta"] * c, k["beta"] * r
    return -log_sigmoid(c) - 0.5 * log_sigmoid(-c) - 0.5 * log_sigmoid(-r)


logistic = lambda c, r, k, at: smooth(lambda d: -log_sigmoid(d), k["beta"] * (c - r) - k.get("gamma", 0.0), k["label_smoothing"])

# name: (score, rule of two scores, defaults)
PREFERENCE = {
    "dpo": ("ratio", logistic, {}),
    "dpo_norm": ("ratio mean", logistic, {"beta": 5.0}),
    "hinge": ("ratio", lambda c, r, k, at: smooth(lambda d: max(0.0, 1 - d), k["beta"] * (c - r), k["label_smoothing"]), {}),
    "ipo": ("ratio mean", lambda c, r, k, at: smooth(lambda d: (d - 0.5 / k["beta"]) ** 2, c - r, k["label_smoothing"]), {}),
    "robust": ("ratio", robust, {"label_smoothing": 0.1}),
    "exo": ("ratio", exo, {"label_smoothing": 1e-3}),
    "nca": ("ratio", nca, {}),
    "bco_pair": ("ratio", bco, {}),
    "sppo": ("ratio", lambda c, r, k, at: (c - 0.5 / k["beta"]) ** 2 + (r + 0.5 / k["beta"]) ** 2, {"beta": 0.001}),
    "apo_zero": ("ratio", lambda c, r, k, at: 1 - sigmoid(k["beta"] * c) + sigmoid(k["beta"] * r), {}),
    "apo_down": ("ratio", lambda c, r, k, at: sigmoid(k["beta"] * c) + 1 - sigmoid(k["beta"] * (c - r)), {}),
    "cpo": ("prob", logistic, {"sft_weight": 1.0}),
    "simpo": ("prob mean", logistic, {"beta": 2.0, "gamma": 1.0}),
    "orpo": ("prob mean", lambda c, r, k, at: -k["beta"] * log_sigmoid(log_odds(c) - log_odds(r)), {"sft_weight": 1.0}),
}
SMOOTHED = [{"label_smoothing": 0.2, "sft_weight": 0.3}]
PAIR_KNOBS = {
    "dpo": SMOOTHED, "dpo_norm": SMOOTHED, "hinge": SMOOTHED, "cpo": SMOOTHED, "simpo": [*SMOOTHED, {"gamma": 0.3}],
    "ipo": [*SMOOTHED, {"average": False}], "robust": [{"label_smoothing": 0.3}], "exo": [{"label_smoothing": 0.1}],
    "nca": [{"beta": 0.5}], "bco_pair": [{"beta": 0.5, "sft_weight": 0.1}, {"shift": False}], "sppo": [{"beta": 0.1}],
    "apo_zero": [{"beta": 0.5}], "apo_down": [{"beta": 0.5}], "orpo": [{"beta": 0.5, "sft_weight": 0.2}],
}  # fmt: skip


def pair_case(name, knobs):
    score, rule, defaults = PREFERENCE[name]
    k = {"beta": 0.1, "label_smoothing": 0.0, "sft_weight": 0.0, **defaults, **knobs}
    if k.get("average") is False:
        score = "ratio"
    C, R = PAIRS["chosen"], PAIRS["rejected"]
    at = scores(C, R, score)

    def loss(C, R):
        each = [rule(c, r, k, at) for c, r in zip(*scores(C, R, score))]
        return mean(each) - k["sft_weight"] * sum(C) / sum(PAIRS["chosen_tokens"])

    return {
        "algorithm": name, "knobs": knobs, "loss": loss(C, R),
        "gradient_chosen": gradient(lambda x: loss(x, R), C), "gradient_rejected": gradient(lambda x: loss(C, x), R),
    }  # fmt: skip


# --- labelled answers, demonstrations, comparisons ---------------------------------------------------------------------------------------

LABELLED = {
    "logp": [-10.2, -7.4, -21.0, -3.3], "logp_ref": [-11.0, -7.0, -20.1, -5.0], "desirable": [1.0, 0.0, 0.0, 1.0],
    "mismatched": [-30.2, -41.0, -18.8, -25.1], "mismatched_ref": [-31.5, -40.2, -20.0, -25.0],
}  # fmt: skip


def kto_case(knobs, turned):
    k = {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0, **knobs}
    away = [a - b for a, b in zip(LABELLED["mismatched"], LABELLED["mismatched_ref"])]
    z = max(0.0, mean([-a for a in away] if turned else away))

    def loss(L):
        each = []
        for logp, ref, good in zip(L, LABELLED["logp_ref"], LABELLED["desirable"]):
            h = logp - ref
            weight, x = (k["desirable_weight"], h - z) if good else (k["undesirable_weight"], z - h)
            each.append(weight * (1 - sigmoid(k["beta"] * x)))
        return mean(each)

    L = LABELLED["logp"]
    return {"algorithm": "kto", "knobs": knobs, "turned": turned, "loss": loss(L), "gradient": gradient(loss, L)}


def sft_case(how):
    loss = lambda L: reduced([[-x for x in row] for row in L], how)
    L = LEAVES["logp"]
    return {"algorithm": "sft", "knobs": {"aggregation": how}, "loss": loss(L), "gradient": gradient(loss, L)}


COMPARISONS = {"chosen": [1.2, -0.3, 0.4, 2.0], "rejected": [0.1, 0.5, 0.4, -1.0]}


def comparison_case(knobs, margin, preferred):
    theta, weight = knobs.get("tie_theta", 1.0), knobs.get("centring", 0.0)
    win = lambda d: sigmoid(d - math.log(theta))

    def loss(C, R):
        each = []
        for i, (c, r) in enumerate(zip(C, R)):
            d, p = c - r - (margin[i] if margin else 0.0), preferred[i] if preferred else 1.0
            if theta > 1 and p == 0.5:
                each.append(-math.log(1 - win(d) - win(-d)))
            else:
                each.append(-p * math.log(win(d)) - (1 - p) * math.log(win(-d)))
            each[-1] += weight * (c + r) ** 2
        return mean(each)

    C, R = COMPARISONS["chosen"], COMPARISONS["rejected"]
    return {
        "algorithm": "reward_model", "knobs": knobs, "margin": margin, "preferred": preferred, "loss": loss(C, R),
        "gradient_chosen": gradient(lambda x: loss(x, R), C), "gradient_rejected": gradient(lambda x: loss(C, x), R),
    }  # fmt: skip


def main():
    margin, preferred = [0.5, 0.0, 1.0, 0.2], [1.0, 0.7, 0.5, 0.0]
    out = {
        "leaves": LEAVES,
        "max_new_tokens": MAX_NEW,
        "online": [online_case(name, knobs) for name in ONLINE for knobs in [{}, *KNOBS[name]]],
        "pair_leaves": PAIRS,
        "pairs": [pair_case(name, knobs) for name in PREFERENCE for knobs in [{}, *PAIR_KNOBS[name]]],
        "labelled_leaves": LABELLED,
        "labelled": [kto_case({}, False), kto_case({"beta": 0.4, "desirable_weight": 1.3, "undesirable_weight": 0.7}, False), kto_case({}, True)],
        "demonstrations": [sft_case(how) for how in ["token_mean", "sequence_mean_token_mean", "fixed_length"]],
        "comparison_leaves": COMPARISONS,
        "comparisons": [
            comparison_case({}, None, None),
            comparison_case({"centring": 0.05}, margin, None),
            comparison_case({}, None, preferred),
            comparison_case({"tie_theta": 1.8}, margin, preferred),
        ],
    }
    print(json.dumps(out))


main()
