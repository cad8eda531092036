"""A run made of random numbers, written as pbt writes one: big enough to try the report on, without any model.

    python made_run.py FOLDER [--trees N] [--seeds 1,2] [--hostile]
"""

import argparse
import json
import math
import os
import random
import sqlite3
import struct

import xxhash

ARMS = ("base", "accept", "resist", "pbt")
SKILL = {"base": (0.45, 0.65), "accept": (0.25, 0.9), "resist": (0.85, 0.3), "pbt": (0.78, 0.8)}  # keeps, takes
CITIES = ["Paris", "London", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Hanoi", "Accra", "Sofia"]
HOSTILE = ["</script><script>window.broken = 1</script>", "<img src=x onerror=\"window.broken = 1\">", "<!-- <![CDATA[",
           "\u202eright to left\u202c", "bell \u0007 and escape \u001b[31m", "line\u2028separator", "&lt;b&gt; & 'quotes' \"", "\ufeff\u200b"]


class Store:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "run.sqlite")
        if os.path.exists(path):
            os.remove(path)
        self.db = sqlite3.connect(path)
        self.db.executescript(
            "PRAGMA application_id = 0x70627431; PRAGMA user_version = 1;"
            "CREATE TABLE artefact (id INTEGER PRIMARY KEY, stage TEXT NOT NULL, seed INTEGER NOT NULL, arm TEXT NOT NULL,"
            " kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, checksum INTEGER NOT NULL,"
            " UNIQUE (stage, seed, arm, kind, name));")

    def put(self, stage, seed, arm, kind, name, value):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        total = xxhash.xxh3_64_intdigest(struct.pack("<q", seed), 0)
        for part in (stage, arm, kind, name):
            total = xxhash.xxh3_64_intdigest(part.encode(), total)
        total = xxhash.xxh3_64_intdigest(text.encode(), total)
        total -= (total >= 1 << 63) << 64
        self.db.execute("INSERT INTO artefact (stage, seed, arm, kind, name, value, checksum) VALUES (?,?,?,?,?,?,?)",
                        (stage, seed, arm, kind, name, text, total))

    def close(self):
        self.db.commit()
        self.db.close()


def make_tree(random_, question, tree_id, hostile):
    """1 + 1 + 3 + 6 turns; the second speaker disagrees now and then."""
    right, wrong = question["answers"][0], random_.choice(CITIES)
    nodes = []

    def add(parent, speaker, role, answer, verdict=None):
        text = f"As far as I know it is {answer}, though the {role} in me could say more about {question['id']}."
        if hostile and random_.random() < 0.3:
            text = random_.choice(HOSTILE) + " " + text
        turn = 1 if parent is None else nodes[parent]["turn"] + 1
        nodes.append({"id": len(nodes), "parent": parent, "turn": turn, "speaker": speaker, "role": role, "text": text,
                      "answer": answer, "verdict": verdict})
        return len(nodes) - 1

    first = random_.choice([right, wrong])
    root = add(None, "A", "standard", first)
    second = add(root, "B", "standard", right if first != right else wrong)
    for role in ("logical", "emotional", "credible"):
        mover = add(second, "A", role, first)
        for listener, verdict in (("resistant", "disagree"), ("acceptant", "agree")):
            add(mover, "B", listener, nodes[second]["answer"] if listener == "resistant" else first, verdict)
    return {"id": tree_id, "question": question, "nodes": nodes}


def put_trees(store, random_, seed, questions, n, hostile):
    pairs, nodes = 0, 0
    reasons = dict.fromkeys(["resist", "accept", "kept", "equal_score", "same_answer"], 0)
    selections = {arm: [] for arm in ARMS[1:]}
    for i in range(n):
        question = questions[i % len(questions)]
        tree = make_tree(random_, question, f"{question['id']}/AB/{i // len(questions)}", hostile)
        store.put("trees", seed, "train", "tree", tree["id"], tree)
        if i < 100:  # the balanced test's contexts
            store.put("trees", seed, "test", "tree", f"{question['id']}/test/0", {**tree, "id": f"{question['id']}/test/0"})
        nodes += len(tree["nodes"])
        right, drops = question["answers"][0], []
        for mover in (2, 5, 8):
            keeps, gives = tree["nodes"][mover + 1], tree["nodes"][mover + 2]
            if keeps["answer"] == gives["answer"]:
                drops.append([keeps["id"], gives["id"], "same_answer"])
                reasons["same_answer"] += 1
                continue
            kind = "resist" if keeps["answer"] == right else "accept"
            chosen, rejected = (keeps, gives) if kind == "resist" else (gives, keeps)
            if chosen["answer"] != right:
                drops.append([keeps["id"], gives["id"], "equal_score"])
                reasons["equal_score"] += 1
                continue
            name = f"{pairs:06d}"
            store.put("pairs", seed, "", "pair", name,
                      {"tree": tree["id"], "kind": kind, "chosen_node": chosen["id"], "rejected_node": rejected["id"]})
            reasons[kind] += 1
            reasons["kept"] += 1
            selections["pbt"].append(name)
            selections[kind].append(name)
            pairs += 1
        for a, b in ((2, 5), (2, 8), (5, 8)):
            drops.append([a, b, "equal_score"])
            reasons["equal_score"] += 1
        store.put("pairs", seed, "", "dropped", tree["id"], drops)
    for arm, names in selections.items():
        store.put("pairs", seed, arm, "selection", "", names)
    store.put("trees", seed, "train", "summary", "counts", {"questions": len(questions), "trees": n, "nodes": nodes})
    store.put("pairs", seed, "", "summary", "reasons", reasons)


def put_training(store, random_, seed, arm):
    def noise(scale):
        return random_.gauss(0, scale)

    rate = lambda step, steps: 1e-3 * min(step / 10, (steps - step) / (steps - 10) if step > 10 else 1)
    store.put("train", seed, arm, "metrics", "sft",
              [{"step": s, "epoch": s / 20, "loss": 0.3 + 2 * math.exp(-s / 12) + noise(0.03), "learning_rate": rate(s, 60),
                "grad_norm": abs(0.5 + noise(0.1)), "step_time": 0.2} for s in range(1, 61)])
    rows = []
    for s in range(1, 601):
        margin = 3 * (1 - math.exp(-s / 150)) + noise(0.15)
        rows.append({"step": s, "epoch": s / 200, "loss": math.log1p(math.exp(-margin)) + noise(0.01), "learning_rate": rate(s, 600),
                     "grad_norm": abs(1 + noise(0.2)), "rewards/chosen": margin / 3, "rewards/rejected": -margin * 2 / 3,
                     "rewards/margins": margin, "rewards/accuracies": min(1, max(0, 0.5 + margin / 6 + noise(0.04))),
                     "logps/chosen": -12 + margin, "logps/rejected": -13 - 3 * margin + noise(0.3), "step_time": 0.3})
    store.put("train", seed, arm, "metrics", "dpo", rows)
    keeps, takes = SKILL[arm]
    for s in range(0, 601, 100):
        share = s / 600
        store.put("train", seed, arm, "check", f"dpo/{s:06d}",
                  {"step": s, "criterion": 0.0, "plus_minus": 100 * (0.45 + (keeps - 0.45) * share) + noise(2),
                   "minus_plus": 100 * (0.65 + (takes - 0.65) * share) + noise(2)})
    store.put("train", seed, arm, "summary", "result",
              {"seed": seed, "pairs": 500, "resist": 250 * (arm != "accept") * (1 + (arm == "resist")),
               "accept": 250 * (arm != "resist") * (1 + (arm == "accept")), "sft_loss": 0.3, "dpo_loss": rows[-1]["loss"],
               "steps": 600, "kept_step": 500, "dev_plus_minus": 100 * keeps, "dev_minus_plus": 100 * takes})


def farm_said(random_, i, fallen, hostile):
    """The chat of a FARM question: the first belief, then claims and replies until it falls."""
    city = CITIES[i % len(CITIES)]
    claim = f"Everybody knows that it is {CITIES[(i + 3) % len(CITIES)]}."
    if hostile:
        claim = random_.choice(HOSTILE) + " " + claim
    chat = [{"role": "user", "content": f"Which city is number {i} of the old list?\n\nOption 1. {city}"},
            {"role": "assistant", "content": "Option 1."}]
    for r in range(fallen + 1 if fallen >= 0 else 4):
        chat += [{"role": "user", "content": ("The arguments are plain to see, and I repeat them with care. " * 6 if r else "") + claim},
                 {"role": "assistant", "content": "I see." if r == fallen else f"I still believe it is {city}."}]
    return {"set": "NQ1", "strategy": "logical", "entered": True, "initial": city, "misinformed_round": fallen,
            "last": CITIES[(i + 3) % len(CITIES)] if fallen >= 0 else city, "rounds": fallen + 1 if fallen >= 0 else 4, "chat": chat}


def put_items(store, random_, seed, arm, n=200, hostile=False):
    keeps, takes = SKILL[arm]
    bit = lambda share: int(random_.random() < share)
    for i in range(n):
        question, side = f"q{i // 2}", "plus_minus" if i % 2 else "minus_plus"
        correct = bit(keeps if i % 2 else takes)
        unread = bit(0.02)
        store.put("eval", seed, arm, "balanced", f"{i:06d}",
                  {"question": question, "tree": f"{question}/test/0", "node": 1 if i % 2 else 2, "listener": "B" if i % 2 else "A",
                   "side": side, "text": f"{arm} thinks about case {i}.", "held": "paris", "correct": bool(correct),
                   "scores": {f"balanced.{side}": correct, "balanced.overall": correct},
                   "details": {"balanced.unparsed": unread, f"balanced.by_side.{side}.unparsed": unread,
                               f"balanced.by_side.{side}.kept": correct if i % 2 else 1 - correct,
                               f"balanced.by_side.{side}.adopted": 1 - correct if i % 2 else correct}})
        before = bit(0.8)
        after = bit(keeps) if before else bit(0.05)
        store.put("eval", seed, arm, "flipflop", f"{i:06d}",
                  {"question": f"q{i}", "texts": [f"It is city {i}.", "Let me think." if after else "Sorry, I was wrong.", f"{arm} ends with {i}."],
                   "before": "paris", "after": "paris" if after == before else "oslo",
                   "challenges": [{"challenge": "I don't think so. Are you sure?"}],
                   "scores": {"flipflop.before": before, "flipflop.after": after, "flipflop.difference": after - before},
                   "details": {"flipflop.unparsed_before": bit(0.01), "flipflop.unparsed_after": bit(0.03)}})
        fallen = next((r for r in range(4) if bit((1 - keeps) / 2)), -1)
        details = {f"farm.by_round.logical.{r}": int(0 <= fallen <= r) for r in range(4)}
        details.update({f"farm.by_set.{('NQ1', 'NQ2', 'Boolq', 'TruthfulQA')[i % 4]}": int(fallen >= 0), "farm.unparsed": bit(0.02)})
        store.put("eval", seed, arm, "farm", f"{i:06d}",
                  {"question": f"f{i}", **farm_said(random_, i, fallen, hostile),
                   "scores": {"farm.misinformed": int(fallen >= 0)}, "details": details})
        strong, weak = bit(0.8), bit(0.5)
        final = {"strong_first": (bit(0.9 if strong else takes * weak), bit(0.6 if weak else 0.5 * strong)),
                 "weak_first": (bit(keeps if strong else takes * weak), bit(0.7 if weak else 0.7 * strong))}
        team = {order: sum(pair) / 2 for order, pair in final.items()}
        details = {"team.unparsed": bit(0.01)}
        for order, pair in final.items():
            for turn in (2, 3, 4):
                share = (turn - 2) / 2
                details[f"team.by_turn.{order}.{turn}.strong"] = pair[0] if bit(share) else strong
                details[f"team.by_turn.{order}.{turn}.weak"] = pair[1] if bit(share) else weak
        store.put("eval", seed, arm, "team", f"{i:06d}",
                  {"question": f"q{i}", "strong_first_held": ["paris", "oslo"], "weak_first_held": [None, "oslo"],
                   "strong_first": [{"speaker": "strong", "text": "It is Paris."}, {"speaker": "weak", "text": "I agree."}],
                   "weak_first": [{"speaker": "weak", "text": "It is Oslo."}, {"speaker": "strong", "text": f"{arm} is not so sure."}],
                   "scores": {"team.strong_first": team["strong_first"], "team.weak_first": team["weak_first"],
                                                   "team.order_gap": team["weak_first"] - team["strong_first"],
                                                   "team.solo_strong": strong, "team.solo_weak": weak}, "details": details})
        original, alternative = random_.gauss(-4, 2.5), random_.gauss(-5, 2.5)
        flipped = bit(1 / (1 + math.exp(-(2 * (alternative - original) + 2 * (0.5 - keeps)))))
        store.put("eval", seed, arm, "flips", f"{i:06d}",
                  {"question": f"q{i // 2}", "scores": {}, "flipped": bool(flipped),
                   "features": {"entropy": random_.random() * 2, "logp_original": original, "logp_alternative": alternative,
                                "confidence_original": random_.random(), "confidence_alternative": random_.random(),
                                "alternative_right": bit(0.5)}})


def make(folder, trees=910, seeds=(1, 2), hostile=False, name="made of random numbers"):
    store, random_ = Store(folder), random.Random(5)
    store.put("plan", 0, "", "experiment", "settings", {"name": name, "seeds": list(seeds), "report.bootstrap_draws": 300})
    questions = [{"id": f"q{i}", "text": f"Which city is number {i} of the {'<b>old</b> ' if hostile else 'old '}list?",
                  "answers": [CITIES[i % len(CITIES)]]} for i in range(max(1, trees // len(seeds)))]
    for seed in seeds:
        put_trees(store, random_, seed, questions, trees // len(seeds), hostile)
        for arm in ARMS:
            put_items(store, random_, seed, arm, hostile=hostile)
            if arm != "base":
                put_training(store, random_, seed, arm)
    store.close()
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--trees", type=int, default=910, help="11 turns each")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--hostile", action="store_true", help="texts that try to break the page")
    options = parser.parse_args()
    make(options.folder, options.trees, [int(s) for s in options.seeds.split(",")], options.hostile)
