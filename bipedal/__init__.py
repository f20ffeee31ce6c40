"""PPO written from scratch in PyTorch that teaches a two-legged robot to walk.

The rooms, from the top: `bipedal.cli` parses, `bipedal.train` loops,
`bipedal.rollout` collects from `bipedal.envs`, `bipedal.ppo` holds the
mathematics, `bipedal.evaluate` scores in Gymnasium's own environment and
`bipedal.gait` says how the robot walks. Import what you need from its module; this file
imports nothing, so that starting an environment process never costs an `import torch`.
"""

__version__ = "0.1.0"
