"""Take a policy elsewhere: one file that needs neither this package nor PyTorch.

`layers` says what a greedy policy computes, `onnx_file` and `c_header` write it down, and `export`
chooses between them by the file's suffix.
"""
