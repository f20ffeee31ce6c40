"""Policies of Stable-Baselines3."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from policy_files import (
    COMMON,
    PPO_NAMES,
    VEC_NORMALIZE,
    facts,
    linear,
    observations,
    ppo_state,
    relu,
    through,
    torch_bytes,
    write_zip,
)

from bipedal.errors import UserError
from bipedal.foreign_policy import ForeignPolicy
from bipedal.loading.load import load_policy

TD3, SAC = "stable_baselines3.td3.policies", "stable_baselines3.sac.policies"
RELU = "<class 'torch.nn.modules.activation.ReLU'>"
SAC_NAMES = ("actor.latent_pi.0", "actor.latent_pi.2", "actor.mu")


def actions(path: Path, **options: Any) -> np.ndarray:
    policy = load_policy(path, **options)
    assert isinstance(policy, ForeignPolicy)
    return policy.act_batch(torch.from_numpy(observations())).numpy()


def test_ppo_has_tanh_between_layers_and_is_clipped(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ppo_state(), facts())
    expected = through(ppo_state(), PPO_NAMES, np.tanh, observations().astype(float)).clip(-1, 1)
    assert np.abs(expected).max() == 1.0
    np.testing.assert_allclose(actions(path), expected, atol=1e-7)


def test_the_text_says_the_activation_and_whether_ppo_is_squashed(tmp_path: Path) -> None:
    said = facts(activation_fn=RELU, squash_output=True)
    path = write_zip(tmp_path / "a.zip", ppo_state(), said)
    expected = np.tanh(through(ppo_state(), PPO_NAMES, relu, observations().astype(float)))
    np.testing.assert_allclose(actions(path), expected, atol=1e-7)


def test_td3_plays_its_actor_and_not_the_target(tmp_path: Path) -> None:
    names = ("actor.mu.0", "actor.mu.2")
    state = linear(names, (24, 7, 4))
    target = {
        name.replace("actor", "actor_target"): torch.zeros_like(t) for name, t in state.items()
    }
    path = write_zip(tmp_path / "a.zip", {**target, **state}, facts(TD3))
    expected = np.tanh(through(state, names, relu, observations().astype(float)))
    np.testing.assert_allclose(actions(path), expected, atol=1e-7)


def test_sac_plays_the_tanh_of_its_mean(tmp_path: Path) -> None:
    state = {**linear(SAC_NAMES, (24, 7, 6, 4)), "actor.log_std.weight": torch.zeros(4, 6)}
    path = write_zip(tmp_path / "a.zip", state, facts(SAC))
    expected = np.tanh(through(state, SAC_NAMES, relu, observations().astype(float)))
    np.testing.assert_allclose(actions(path), expected, atol=1e-7)


@pytest.mark.parametrize(("options", "bound"), [({}, 2.0), ({"clip_mean": 0.5}, 0.5)])
def test_state_dependent_exploration_bounds_the_mean(
    tmp_path: Path, options: dict[str, Any], bound: float
) -> None:
    names = (*SAC_NAMES[:2], "actor.mu.0")
    state = {**linear(names, (24, 7, 6, 4)), "actor.log_std": torch.zeros(6, 4)}
    path = write_zip(tmp_path / "a.zip", state, facts(SAC, **options))
    means = through(state, names, relu, observations().astype(float))
    assert np.abs(means).max() > bound
    np.testing.assert_allclose(actions(path), np.tanh(means.clip(-bound, bound)), atol=1e-7)


# The statistics beside it -------------------------------------------------------------------------


def expected_with_statistics() -> np.ndarray:
    pytest.importorskip("stable_baselines3")
    statistics = pickle.loads(VEC_NORMALIZE.read_bytes())
    shown = statistics.normalize_obs(observations()).astype(float)
    return through(ppo_state(), PPO_NAMES, np.tanh, shown).clip(-1, 1)


@pytest.mark.parametrize("name", ["a_vecnormalize.pkl", "vecnormalize.pkl", "vec_normalize.pkl"])
def test_statistics_are_found_beside_a_policy(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "a.zip", ppo_state(), facts(normalized=True))
    shutil.copy(VEC_NORMALIZE, tmp_path / name)
    np.testing.assert_allclose(actions(path), expected_with_statistics(), atol=1e-6)


def test_a_policy_without_its_statistics_is_refused_unless_asked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ppo_state(), facts(normalized=True))
    with pytest.raises(UserError, match="VecNormalize, whose file is missing"):
        load_policy(path)
    raw = write_zip(tmp_path / "raw.zip", ppo_state(), facts())
    assert np.array_equal(actions(path, allow_missing_statistics=True), actions(raw))


def test_others_do_not_say_so_and_take_the_statistics_that_are_there(tmp_path: Path) -> None:
    names = ("actor.mu.0", "actor.mu.2")
    state = linear(names, (24, 7, 4))
    path = write_zip(tmp_path / "a.zip", state, facts(TD3, normalized=True))
    raw = actions(path)
    np.testing.assert_allclose(
        raw, np.tanh(through(state, names, relu, observations().astype(float))), atol=1e-7
    )
    shutil.copy(VEC_NORMALIZE, tmp_path / "vecnormalize.pkl")
    assert np.abs(actions(path) - raw).max() > 0.1


def test_a_policy_of_raw_observations_leaves_statistics_alone(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ppo_state(), facts())
    before = actions(path)
    (tmp_path / "vecnormalize.pkl").write_bytes(b"those of another policy")
    assert np.array_equal(actions(path), before)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "data", "says"),
    [
        ({"q_net.q_net.0.weight": torch.ones(4, 24)}, facts("stable_baselines3.dqn.policies"),
         "dqn.policies"),
        (ppo_state(), facts("sb3_contrib.common.recurrent.policies"), "recurrent"),
        (ppo_state(), facts("__main__"), "'__main__'"),
        ({k: v for k, v in ppo_state().items() if k != "log_std"}, facts(), "discrete actions"),
        ({**ppo_state(), "features_extractor.cnn.0.weight": torch.ones(1)}, facts(), "CnnPolicy"),
        (ppo_state(), facts(features_extractor_class="<class '__main__.Mine'>"), "CnnPolicy"),
        (linear((*SAC_NAMES[:2], "actor.mu.0"), (24, 7, 6, 4)), facts(SAC, clip_mean=0.0), "lacks"),
        (ppo_state(96), facts(), "from 96 to 4 numbers"),
        (ppo_state(), facts(activation_fn="<class 'torch.nn.Softplus'>"), "activation"),
        (ppo_state(), facts(activation_fn="x" * 9000), "activation"),
        (linear(SAC_NAMES[:2], (24, 7, 6)), facts(SAC), "lacks 'mu.weight'"),
        ({}, facts(TD3), "holds no layers"),
        ([1, 2], facts(), "weights of a policy"),
        ({**ppo_state(), "action_net.bias": torch.ones(5)}, facts(), "do not fit"),
        ({**ppo_state(), "action_net.bias": torch.full((4,), torch.nan)}, facts(), "not finite"),
        ({**ppo_state(), "log_std": "text"}, facts(), "weights of a policy"),
        ({**ppo_state(), "action_net.weight": torch.ones(1).expand(4, 5)}, facts(),
         "not a model file"),
        (ppo_state(), b"{", "data in"),
        (ppo_state(), b"[" * 100_000, "data in"),
        (ppo_state(), b"[]", "data in"),
        (ppo_state(), {"policy_class": {"__module__": 3}, "policy_kwargs": {}}, "data in"),
        (ppo_state(), facts(clip_mean="two"), "data in"),
        (ppo_state(), b" " * (5 << 20), "data in"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused(
    tmp_path: Path, state: object, data: Any, says: str
) -> None:
    path = write_zip(tmp_path / "a.zip", state, data)
    with pytest.raises(UserError, match=says) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 400


def test_other_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for contents in (b"", b"junk", torch_bytes(ppo_state())):
        path.write_bytes(contents)
        with pytest.raises(UserError, match=r"a\.zip"):
            load_policy(path)


# The real thing -----------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "PPO": ("stable_baselines3", {"n_steps": 32, "batch_size": 32, "n_epochs": 1}),
    "PPO, gSDE": ("stable_baselines3", {
        "n_steps": 32, "batch_size": 32, "n_epochs": 1, "use_sde": True,
        "policy_kwargs": {"activation_fn": torch.nn.ELU, "net_arch": [8], "squash_output": True},
    }),
    "A2C": ("stable_baselines3", {}),
    "TRPO": ("sb3_contrib", {"n_steps": 32, "batch_size": 32}),
    "SAC": ("stable_baselines3", {}),
    "SAC, gSDE": ("stable_baselines3", {"use_sde": True}),
    "TD3": ("stable_baselines3", {}),
    "DDPG": ("stable_baselines3", {}),
    "TQC": ("sb3_contrib", {}),
    "CrossQ": ("sb3_contrib", {}),
}  # fmt: skip
OFF_POLICY = {"buffer_size": 64, "learning_starts": 8}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("normalized", [True, False])
def test_actions_are_those_that_the_library_predicts(
    tmp_path: Path, name: str, normalized: bool
) -> None:
    pytest.importorskip("stable_baselines3")
    package, options = KINDS[name]
    library = pytest.importorskip(package)
    from stable_baselines3.common.vec_env import VecNormalize

    from bipedal.engines.stable_baselines import WalkerVecEnv

    kind = name.split(",")[0]
    if kind in ("SAC", "TD3", "DDPG", "TQC", "CrossQ"):
        options = {**OFF_POLICY, "policy_kwargs": {"net_arch": [16, 16]}, **options}
    venv = WalkerVecEnv(1)
    trained_in = VecNormalize(venv, clip_obs=3.0) if normalized else venv
    model = getattr(library, kind)("MlpPolicy", trained_in, device="cpu", seed=0, **options)
    model.learn(32)
    model.save(tmp_path / "model.zip")
    shown = observations()
    if normalized:
        trained_in.save(tmp_path / "vecnormalize.pkl")
        shown = trained_in.normalize_obs(shown)
    predicted, _ = model.predict(shown, deterministic=True)
    np.testing.assert_allclose(actions(tmp_path / "model.zip"), predicted, atol=1e-6)
    venv.close()


def test_the_module_of_a_common_policy_is_what_the_library_says() -> None:
    policies = pytest.importorskip(COMMON)
    assert policies.ActorCriticPolicy.__module__ == COMMON
