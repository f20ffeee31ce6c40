"""What `import bipedal` offers, and what it does not cost."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import bipedal


def test_the_example_of_the_readme_runs() -> None:
    policy = bipedal.load_model("pretrained:walker")
    assert bipedal.evaluate(policy, episodes=1).mean_return > 300.0


def test_a_vector_environment_and_a_video(tmp_path: Path) -> None:
    with closing(bipedal.make_vec(num_envs=3)) as envs:
        assert envs.reset(seed=0)[0].shape == (3, 24)
    policy = bipedal.load_model("pretrained:walker")
    bipedal.record(policy, "BipedalWalker-v3", 0, tmp_path / "walk.gif", max_seconds=0.2)
    assert (tmp_path / "walk.gif").stat().st_size > 0


def test_every_public_name_is_there() -> None:
    for name in bipedal.__all__:
        assert name in dir(bipedal)
        assert getattr(bipedal, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'loadmodel'"):
        bipedal.loadmodel  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    script = "import bipedal, sys; assert not {'torch', 'warp', 'Box2D'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
