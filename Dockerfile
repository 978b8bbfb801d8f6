# docker build -t boltmod . && docker run --rm boltmod            the demo, about six minutes
# docker run --rm -v "$PWD:/air" boltmod boltmod classify /air   recordings of this folder
# docker run --rm -p 8765:8765 boltmod boltmod serve --host 0.0.0.0   the live page, with its token
FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /boltmod
COPY . .
RUN make .venv TORCH_INDEX="--index-url https://download.pytorch.org/whl/cpu"
ENV PATH="/boltmod/.venv/bin:$PATH"
CMD ["make", "demo"]
