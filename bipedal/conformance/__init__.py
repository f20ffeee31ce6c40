"""Is an environment Gymnasium's walker in every bit? Episodes recorded from Gymnasium tell.

`answer` says what an environment answers and how two answers differ, `recording` holds the
episodes, and `check` plays them in an environment.
"""
