"""Search for better hyperparameters over several seeds; see `bipedal search`."""
