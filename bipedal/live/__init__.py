"""The walker in a browser: the engine as WebAssembly, policies in JavaScript, one HTML file.

`build` compiles the kernels of `bipedal.physics` into `engine.wasm`; `share` puts that file, the
scripts in `page/` and some models into one page. Of the scripts, `seeding` makes numpy's
generators, `engine` is the world, `policy` acts in it, `parity` compares it with this package,
`race` steps several models, and `view` and `main` show them.
"""

from pathlib import Path

ENGINE = Path(__file__).parent / "engine.wasm"
"""The compiled engine, which `build` writes."""
