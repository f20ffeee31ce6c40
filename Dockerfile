# docker build -t bipedal . && docker run --rm -v "$PWD:/work" bipedal evaluate pretrained:walker
#
# pip installs PyTorch's CUDA build by default. For a small image give a requirement that names the
# CPU build: --build-arg TORCH=...
FROM python:3.13-slim

ARG TORCH="torch>=2.10,<2.14"
# The first command compiles the physics, with a compiler of its own, into this folder.
ENV XDG_CACHE_HOME=/tmp/cache
RUN pip install --no-cache-dir "$TORCH"
COPY pyproject.toml README.md LICENSE /source/
COPY bipedal /source/bipedal
RUN pip install --no-cache-dir "/source[export]"
USER nobody
WORKDIR /work
ENTRYPOINT ["bipedal"]
