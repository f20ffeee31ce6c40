"""What a policy is worth: episodes, scores, the choice of the best model, and how it walks."""
