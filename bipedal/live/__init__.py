"""The walker in a browser: the engine as WebAssembly, policies in JavaScript, one HTML file.

`build` compiles the kernels of `bipedal.physics` into `engine.wasm`; `share` puts that file, the
scripts in `page/` and some models into one page. In JavaScript, `page/seeding.mjs` makes numpy's
generators, `page/engine.mjs` is the world, `page/policy.mjs` acts in it, `page/parity.mjs` compares it
with this package, and `page/view.mjs` and `page/main.mjs` show it.
"""

from pathlib import Path

ENGINE = Path(__file__).parent / "engine.wasm"
"""The compiled engine, which `build` writes."""
