"""The walker's physics for many robots at once: Gymnasium's dynamics on NVIDIA Warp, CPU and GPU.

The modules from the bottom up: `constants`, `seeding` and `random` (numpy's random numbers),
`state` (the arrays of N environments), `robot` (shapes and masses); `geometry`, `manifold`,
`contacts`, `broadphase`, `distance` (collision); `lanes`, `workspace`, `velocity`, `position` (the
solvers); `impact` (time of impact); `terrain`, `lidar`; `step`, which runs them in Box2D's order.
`bipedal.engines.warp` launches the kernels.
"""
