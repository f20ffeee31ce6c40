"""Policies of CleanRL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_files import State, linear, observations, relu, through

from bipedal.errors import UserError
from bipedal.loading.load import load_policy

PPO_NAMES = ("actor_mean.0", "actor_mean.2", "actor_mean.4")
RANGE = {"action_scale": torch.ones(4), "action_bias": torch.zeros(4)}


def ppo_agent() -> State:
    return {
        "actor_logstd": torch.zeros(1, 4),
        **linear(("critic.0", "critic.2", "critic.4"), (24, 8, 8, 1)),
        **linear(PPO_NAMES, (24, 8, 8, 4)),
    }


def actor(last: str) -> State:
    return {**linear(("fc1", "fc2", last), (24, 8, 8, 4)), **RANGE}


def save(path: Path, contents: object) -> Path:
    torch.save(contents, path)
    return path


def test_ppo_has_tanh_between_layers_and_is_clipped(tmp_path: Path) -> None:
    path = save(tmp_path / "ppo_continuous_action.cleanrl_model", ppo_agent())
    policy = load_policy(path, allow_missing_statistics=True)
    expected = through(ppo_agent(), PPO_NAMES, np.tanh, observations().astype(float)).clip(-1, 1)
    got = policy.act_batch(torch.from_numpy(observations())).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_ppo_without_its_statistics_is_refused_unless_asked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.cleanrl_model", ppo_agent())
    with pytest.raises(UserError, match="--statistics fresh"):
        load_policy(path)


@pytest.mark.parametrize("last", ["fc_mu", "fc_mean"])
@pytest.mark.parametrize("form", [lambda actor: actor, lambda actor: (actor, {}), lambda a: [a]])
def test_td3_ddpg_and_sac_are_squashed(tmp_path: Path, last: str, form: Any) -> None:
    policy = load_policy(save(tmp_path / "a.cleanrl_model", form(actor(last))))
    expected = np.tanh(
        through(actor(last), ("fc1", "fc2", last), relu, observations().astype(float))
    )
    got = policy.act_batch(torch.from_numpy(observations())).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({**actor("fc_mu"), "action_scale": torch.full((4,), 2.0)}, "another range"),
        ({**actor("fc_mu"), "action_bias": torch.ones(4)}, "another range"),
        ({k: v for k, v in actor("fc_mu").items() if k != "action_scale"}, "another range"),
        ({k: v for k, v in actor("fc_mu").items() if k != "fc2.bias"}, "fc2.bias"),
        (linear(("network.0",), (24, 4)), "no policy with continuous actions"),
        ((), "weights of a policy"),
        (3, "weights of a policy"),
        ({5: torch.ones(1)}, "weights of a policy"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, contents: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_policy(save(tmp_path / "a.cleanrl_model", contents))
