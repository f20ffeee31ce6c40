"""Readers of policy files, ours and those of other libraries; nothing in a file is ever run."""
