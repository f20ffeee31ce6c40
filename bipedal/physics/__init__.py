"""The walker's physics in batches: Gymnasium's dynamics on NVIDIA Warp, on CPU and GPU.

The rooms, from the ground up: `constants`, `robot` (shapes and masses), `state` (what is saved);
`geometry`, `manifold`, `contacts`, `broadphase`, `distance`, `impact` (collision); `lanes`,
`workspace`, `velocity`, `position` (the solvers); `terrain`, `lidar`; `step` puts them in Box2D's
order. `bipedal.engines.warp` launches them.
"""
