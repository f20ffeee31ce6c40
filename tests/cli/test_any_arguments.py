"""No arguments at all cause a traceback."""

from __future__ import annotations

import pytest
from commands import COMMANDS, Captured, Trained, assert_one_sentence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bipedal import cli
from bipedal.config import TrainConfig

pytestmark = pytest.mark.usefixtures("empty_directory")

OPTIONS = st.sampled_from(
    [
        *("--" + name.replace("_", "-") for name in TrainConfig.__dataclass_fields__),
        "--resume", "--run-dir", "--run_dir", "--json", "--out", "--episodes", "--statistics",
        "--help", "-h", "--", "-", "--no-layer-norm", "--no-resume", "--config.seed",
        "--max-seconds",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "None", "True", "", "seed", "default", "cpu", "linear", "64",
         "BipedalWalker-v3", "nowhere.pth", "runs", "a.gif", "pretrained:x", "@file", "{x}", "[b]"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip
WORDS = st.one_of(
    OPTIONS, VALUES, st.builds("{}={}".format, OPTIONS, VALUES), st.sampled_from(COMMANDS)
)


@pytest.mark.usefixtures("no_training")
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.tuples(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=6)).map(
            lambda pair: [pair[0], *pair[1]]
        ),
        st.lists(WORDS, max_size=3),
    )
)
def test_no_arguments_at_all_cause_a_traceback(capsys: Captured, arguments: list[str]) -> None:
    capsys.readouterr()
    try:
        code = cli.main(arguments)
    except Trained as trained:
        assert isinstance(trained.config, TrainConfig)
        return
    assert code in (0, 1, 2)
    captured = capsys.readouterr()
    if code:
        assert_one_sentence(captured.err)
    else:
        assert "usage" in captured.out
