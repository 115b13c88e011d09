"""Figures that several tasks take from one paper."""

from __future__ import annotations

from clapometer.benchmark.tasks.task import Published

MICROSOFT_2022 = "Elizalde et al. 2022, arXiv 2206.04769"
SMOOTHCLAP = "SmoothCLAP (arXiv 2601.12591), Table 1, from a digest"
WORDS_NOT_GIVEN = "its words for the classes are not given"


def microsoft_2022(
    zero_shot: float,
    frozen: float,
    fine_tuned: float,
    *,
    prompt: str = "this is a sound of {}",
    figure: str = "",
    note: str = "",
) -> tuple[Published, ...]:
    """What the paper of Microsoft CLAP has for a task.

    Args:
        zero_shot: from its Table 1.
        frozen: from its Table 6, "CLAP (S)".
        fine_tuned: from its Table 6, "CLAP (F)".
        prompt: of zero-shot.
        figure: which one, where it is not the task's metric.
        note: what else stands between the figures and ours.
    """
    head = "; ".join(filter(None, ("a head of one or three layers, which is not said, 30 epochs at one rate", note)))
    return (
        Published("msclap-2022", zero_shot, f"{MICROSOFT_2022}, Table 1", "primary", "zeroshot", figure, prompt, note),
        Published("msclap-2022", frozen, f"{MICROSOFT_2022}, Table 6", "primary", "linear", figure, note=head),
        Published("msclap-2022", fine_tuned, f"{MICROSOFT_2022}, Table 6", "primary", "finetune", figure, note=head),
    )


def paraclap(uar: float) -> Published:
    """What SmoothCLAP's table of zero-shot emotion recognition has for ParaCLAP."""
    return Published("paraclap", uar, SMOOTHCLAP, "secondary", note="repeated from ParaCLAP or run again: not said")
