"""Is an environment Gymnasium's walker in every bit? Recorded episodes give the answer."""
