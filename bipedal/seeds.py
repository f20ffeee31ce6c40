"""Seeds of terrains: a range of its own for each use, so that no two uses share a terrain."""

ROOM = 1_000_000
"""Seeds that each use may take from its first one upward."""
MAX_TRAINING_SEED = ROOM - 1
"""Training takes its `--seed`, from 0 up to this one."""
FINAL_SEED = 1 * ROOM
"""First seed of the score at the end of a run, and of the studies' scores."""
EVALUATION_SEED = 2 * ROOM
"""First seed of the greedy evaluations while a run trains, which choose its best model."""
CONFIRMATION_SEED = 3 * ROOM
"""First seed of the episodes that confirm that a run has solved its environment."""
