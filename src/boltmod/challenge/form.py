"""The form that comes with a submission: what is claimed of the network, and where its files are.

Source: submission_form.txt of Xilinx/brevitas-radioml-challenge-21: lines that begin with `#` ask,
lines that begin with `->` answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from boltmod.errors import DataFormatError

FILE_NAME = "submission_form.txt"


@dataclass(frozen=True)
class Form:
    """A filled-in form, each answer as it stands there.

    Args:
        accuracy: Accuracy on the test split, and on what it was measured.
        score: Score of the inference cost.
        cost: All that the official tool printed, as JSON.
        model: Path of the `.onnx` file in the archive.
        checkpoint: Path of the `.pth` file in the archive.
        repository: Where the sources are published.
        instructions: How to make the network again.
        comments: Anything else; may be empty.
    """

    accuracy: str
    score: str
    cost: str
    model: str
    checkpoint: str
    repository: str
    instructions: str
    comments: str = ""

    @property
    def claimed_accuracy(self) -> float | None:
        """The accuracy as a share of 1; None if no number is there."""
        value = _first_number(self.accuracy)
        return value / 100 if value is not None and value > 1 else value

    @property
    def claimed_score(self) -> float | None:
        """The score; None if no number is there."""
        return _first_number(self.score)

    @property
    def claimed_cost(self) -> dict[str, Any] | None:
        """The cost tool's figures; None if they cannot be read."""
        begin, end = self.cost.find("{"), self.cost.rfind("}")
        try:
            document = json.loads(self.cost[begin : end + 1])
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


_QUESTIONS = {
    "accuracy": "Overall test accuracy reached:",
    "score": "Inference cost score reached:",
    "cost": "Complete output dictionary printed by the inference_cost() function:",
    "model": "Path to .onnx model within this zipfile:",
    "checkpoint": "Path to .pth checkpoint within this zipfile:",
    "repository": "Link to GitHub repository containing your code:",
    "instructions": "Instructions for reproduction:",
    "comments": "Further comments:",
}
_KEYWORDS = {
    "accuracy": "test accuracy",
    "score": "cost score",
    "cost": "output dictionary",
    "model": ".onnx",
    "checkpoint": ".pth",
    "repository": "repository",
    "instructions": "instructions",
    "comments": "comments",
}
"""What is looked for in a question: forms in use differ in their wording."""


def write(form: Form) -> str:
    """Write a form as text."""
    answers = {each.name: getattr(form, each.name) for each in fields(form)}
    return "\n".join(
        f"# {question}\n-> {answers[name].strip()}\n" for name, question in _QUESTIONS.items()
    )


def parse(text: str) -> Form:
    """Read a form.

    Raises:
        DataFormatError: A question that must be answered is missing or has no answer.
    """
    answers = dict.fromkeys(_QUESTIONS, "")
    for question, answer in _asked_and_answered(text):
        for name, keyword in _KEYWORDS.items():
            if keyword in question.lower() and not answers[name]:
                answers[name] = answer
                break
    for name, answer in answers.items():
        if not answer and name != "comments":
            raise DataFormatError(
                f"the form must answer {_QUESTIONS[name]!r}, and does not: fill it in"
            )
    return Form(**answers)


def _asked_and_answered(text: str) -> list[tuple[str, str]]:
    """Cut a form at its questions: lines that begin with `#`, the next of which answers."""
    found: list[tuple[str, str]] = []
    question: list[str] = []
    answer: list[str] = []
    asked = ""
    for line in [*text.split("\n"), "#"]:
        if line.startswith("#"):
            question.append(line)
            continue
        if question and line.startswith("->"):
            if asked:
                found.append((asked, "\n".join(answer)))
            asked, answer = "\n".join(question), [line.removeprefix("->")]
        else:
            answer += [*question, line]
        question = []
    if asked:
        found.append((asked, "\n".join(answer + question[:-1])))
    return [(asked, told.strip()) for asked, told in found]


def _first_number(text: str) -> float | None:
    match = re.search(r"\d{1,300}(?:\.\d{1,300})?(?:[eE][-+]?\d{1,3})?", text)
    value = float(match[0]) if match else None
    return value if value is None or isfinite(value) else None
