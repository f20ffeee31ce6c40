"""For people who look: a video of the walker and a report of its run."""
