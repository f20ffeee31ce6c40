"""The commands of `bipedal`: a dataclass of arguments and a function each, no logic.

Heavy imports stand inside the functions: environment processes import these modules again and need
none of them.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bipedal.commands.arguments import parse
from bipedal.commands.checking import conformance, study
from bipedal.commands.models import evaluate, export, info, push
from bipedal.commands.showing import record, report, share, watch
from bipedal.commands.training import runs, search, train


@dataclass(frozen=True)
class CompletionArguments:
    """Print a script that completes commands and options in bash and zsh."""


def completion(arguments: Sequence[str]) -> None:
    """Print the script."""
    parse(CompletionArguments, "completion", arguments)
    from bipedal.completion import completion_script

    print(completion_script({name: help_text(name) for name in COMMANDS}), end="")


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "evaluate": evaluate,
    "record": record,
    "report": report,
    "runs": runs,
    "share": share,
    "watch": watch,
    "export": export,
    "push": push,
    "info": info,
    "conformance": conformance,
    "study": study,
    "search": search,
    "completion": completion,
}

USAGE = """usage: bipedal COMMAND ...

  train                      teach a robot to walk
  evaluate MODEL             score a policy over 100 episodes
  record MODEL --out FILE    make a video (.mp4 or .gif)
  report RUN                 make one HTML page of a run
  runs [DIR]                 list runs and compare their scores
  share MODEL ... --out FILE make one HTML page in which models walk
  watch [MODEL ...]          show that page now, and better models as a run finds them
  export MODEL --out FILE    write a policy for other programs (.onnx or .h)
  push MODEL REPO            share a model with its score, video and card
  info MODEL                 say what is in a model's files
  conformance ENV_ID         compare an environment with Gymnasium's, bit for bit
  study NAME                 put a claim to the test over many seeds
  search --out DIR           look for better hyperparameters over several seeds
  completion                 complete commands in a shell: eval "$(bipedal completion)"

MODEL is a .safetensors or .pth file, a run directory (its best model) or pretrained:NAME. evaluate,
record and info also take the .onnx of export, a .zip of Stable-Baselines3 (with its
vecnormalize.pkl beside it), CleanRL's .cleanrl_model, and the .json of Evolving Stable Strategies.
bipedal COMMAND --help lists a command's options."""


def help_text(name: str) -> str:
    """What `bipedal NAME --help` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        COMMANDS[name](["--help"])
    return printed.getvalue().rstrip()
