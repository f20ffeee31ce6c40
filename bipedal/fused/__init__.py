"""PPO's gradient steps on a CPU, all of an update in one native call for each network."""
