"""What the families share: a tower and a projection for sounds, the same for texts, and one tokenizer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, get_args, get_type_hints

from tokenizers import Tokenizer
from torch import Tensor, nn

from clapometer.errors import CheckpointError, WeightsMismatch
from clapometer.models.clap import Clap
from clapometer.models.weights.safetensors import fit, read_weights
from clapometer.models.weights.third_party import PICKLES, WEIGHTS, Published
from clapometer.models.weights.tokenizers import find_tokenizer, read_tokenizer, token_batch
from clapometer.types import Hub, ModelCard

_MARKS = {"bert": "[CLS]", "gpt2": "<|endoftext|>", "roberta": "<s>"}


class TextConfig(Protocol):
    """Sizes of a text tower."""

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        ...


class Config(Protocol):
    """Sizes of a model: a frozen dataclass of numbers, tuples and such dataclasses, so that JSON can hold it."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        ...

    @property
    def text(self) -> TextConfig:
        """Sizes of its text tower."""
        ...


C = TypeVar("C", bound=Config)
T = TypeVar("T")


class TwoTowers(Clap, Generic[C]):
    """A model whose parts are its children that hold parameters, and whose texts are numbers of tokens.

    Attributes:
        config: its sizes.
        tokenizer: gives a text its tokens, marks included.
        padding: number of the padding token.
    """

    padding = 0
    config: C

    def __init__(self, card: ModelCard, config: C, tokenizer: Tokenizer) -> None:
        super().__init__(card)
        self.config = config
        self.tokenizer = tokenizer

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Longest text, marks included; of a longer one the beginning is read."""

    def marked(self, texts: Sequence[str]) -> Sequence[str]:
        """Texts as the tokenizer is to have them."""
        return texts

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token numbers, (batch, tokens), and the mask of the real ones, where the model is."""
        marked = self.marked(texts)
        return token_batch(self.tokenizer, marked, limit=self.max_tokens, pad=self.padding, device=self.device)

    def is_cut(self, text: str) -> bool:
        return len(self.tokenizer.encode(self.marked([text])[0]).ids) > self.max_tokens

    def parts(self) -> dict[str, nn.Module]:
        learned = ((name, part) for name, part in self.named_children() if any(True for _ in part.parameters()))
        return {name.replace("_", " "): part for name, part in learned}

    def untrained(self) -> Self:
        return type(self)(self.card, self.config, self.tokenizer)

    def configuration(self) -> dict[str, Any]:
        return asdict(self.config)  # type: ignore[call-overload,no-any-return]

    def save_tokenizer(self, folder: Path) -> None:
        self.tokenizer.save(str(folder / "tokenizer.json"))

    @classmethod
    def from_folder(cls, card: ModelCard, config: C, folder: Path) -> Self:
        """The model of a folder with `model.safetensors` and `tokenizer.json`.

        Raises:
            CheckpointError: a file is missing, or two of them do not belong together.
            WeightsMismatch: the weights do not fit the network.
        """
        if config.dimension != card.dimension:
            raise CheckpointError(f"{folder / 'config.json'}: dimension of card and network differ")
        tokenizer = read_tokenizer(folder / "tokenizer.json")
        check_tokenizer(tokenizer, config.text, folder)
        model = cls(card, config, tokenizer)
        read_weights(model, folder / "model.safetensors")
        return model

    @classmethod
    def from_published(cls, card: ModelCard, config: C, weights: Mapping[str, Tensor], published: Published) -> Self:
        """The model of a published checkpoint whose text tower is one of transformers.

        Args:
            card: what is known of it; the dimension is the network's.
            config: sizes, read off the weights.
            weights: of the checkpoint, by the names of the model.
            published: where they are from, for the tokenizer and for messages.

        Raises:
            CheckpointError: the tokenizer is not there, or of another model.
            WeightsMismatch: the weights do not fit the network.
        """
        tokenizer = find_tokenizer(published.folders, config.text.kind)  # type: ignore[attr-defined]
        check_tokenizer(tokenizer, config.text, published.path)
        model = cls(replace(card, dimension=config.dimension), config, tokenizer)
        fit(model, weights, str(published.path))
        return model


def restored(kind: type[T], values: Mapping[str, Any]) -> T:
    """The inverse of `dataclasses.asdict`, from JSON: lists become tuples, objects become dataclasses.

    Where a field may be one of several dataclasses, it becomes the one whose fields are those of the object.

    Raises:
        TypeError: a field is missing or not known.
    """
    hints = get_type_hints(kind)
    return kind(**{name: _restored(hints.get(name), value) for name, value in values.items()})


def _restored(hint: Any, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    kinds = [kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)]
    kind = next((kind for kind in kinds if value.keys() <= {field.name for field in fields(kind)}), None)
    if kind is None:
        raise TypeError(f"{', '.join(value)} are no sizes that are known")
    return restored(kind, value)  # type: ignore[arg-type]


@contextmanager
def sizes_of(published: Published) -> Iterator[None]:
    """Turn the KeyError of a weight that tells a size, and is missing, into a WeightsMismatch."""
    try:
        yield
    except KeyError as error:
        raise WeightsMismatch(f"{published.path} does not fit the network: missing {error.args[0]}") from error


def check_tokenizer(tokenizer: Tokenizer, tower: TextConfig, where: Path) -> None:
    """Raise where a tokenizer cannot be the one that a text tower was trained with.

    Args:
        tokenizer: as it was found.
        tower: what is to read its tokens; of a tower of transformers the marks are looked for, too.
        where: the model's file or folder, for messages.

    Raises:
        CheckpointError: a mark of the tower's kind is missing, or there are tokens that the tower does not know.
    """
    kind, tokens = getattr(tower, "kind", ""), tokenizer.get_vocab_size()
    if kind and tokenizer.token_to_id(_MARKS[kind]) is None:
        raise CheckpointError(
            f"the tokenizer found for {where} knows no {_MARKS[kind]}, so it is not that of {kind}; "
            f"put the {kind} tokenizer there"
        )
    if tokens > tower.vocab_size:
        raise CheckpointError(
            f"the tokenizer found for {where} has {tokens} tokens, the network {tower.vocab_size}; "
            "copy both from where the model was saved"
        )


def card_of_path(
    published: Published, likely: Sequence[ModelCard], downloads: Mapping[str, Sequence[Hub]], summary: str
) -> ModelCard:
    """The card of a checkpoint that was named by its path.

    Args:
        published: the checkpoint.
        likely: known models that are built like it, the first one standing for all.
        downloads: files of known models.
        summary: what it was recognised as.

    Returns:
        The likely model whose file is called like this one; else what can be seen of it, under the name of the file or
        folder.
    """
    path = published.path
    for card in likely:
        if path.name not in WEIGHTS and path.name in downloads[card.name][0].files:
            return card
    path = path.resolve()
    path, is_folder = (path.parent, True) if path.name in WEIGHTS else (path, path.is_dir())
    while not is_folder and path.suffix in (*PICKLES, ".safetensors"):
        path = path.with_suffix("")  # of best.pth.tar both
    return replace(likely[0], name=path.name, summary=summary, licence="as its authors say", source=str(published.path))
