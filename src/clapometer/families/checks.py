"""What families look at before they believe that files belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer

from clapometer.errors import CheckpointError
from clapometer.nets.text_tower import TextTowerConfig
from clapometer.published import WEIGHTS, Published
from clapometer.records import Hub, ModelCard

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


def card_of_path(
    published: Published, like: ModelCard, downloads: Mapping[str, Sequence[Hub]], summary: str
) -> ModelCard:
    """The card of a checkpoint that was named by its path.

    Args:
        published: the checkpoint.
        like: the known model that it is built like.
        downloads: files of known models.
        summary: what it was recognised as.

    Returns:
        `like` where the file is called as that model's is; else what can be seen of it, under the name of the file.
    """
    if published.path.name in downloads[like.name][0].files:
        return like
    path = published.path.resolve()
    return replace(
        like,
        name=(path.parent if path.name in WEIGHTS else path).stem,
        summary=summary,
        licence="as its authors say",
        source=str(published.path),
    )
