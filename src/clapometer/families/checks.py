"""What families look at before they believe that files belong together."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from clapometer.errors import CheckpointError
from clapometer.nets.text_tower import TextTowerConfig

_MARKS = {"bert": "[CLS]", "gpt2": "<|endoftext|>", "roberta": "<s>"}


def check_tokenizer(tokenizer: Tokenizer, tower: TextTowerConfig, where: Path) -> None:
    """Raise where a tokenizer cannot be the one that a text tower was trained with.

    Args:
        tokenizer: as it was found.
        tower: what is to read its tokens.
        where: the model's file or folder, for messages.

    Raises:
        CheckpointError: a mark of the tower's kind is missing, or there are tokens that the tower does not know.
    """
    mark, tokens = _MARKS[tower.kind], tokenizer.get_vocab_size()
    if tokenizer.token_to_id(mark) is None:
        raise CheckpointError(
            f"the tokenizer found for {where} knows no {mark}, so it is not that of {tower.kind}; "
            f"put the {tower.kind} tokenizer there"
        )
    if tokens > tower.vocab_size:
        raise CheckpointError(
            f"the tokenizer found for {where} has {tokens} tokens, its network {tower.vocab_size}; "
            "copy both from where the model was saved"
        )
