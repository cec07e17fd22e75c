"""Hands vectors and lists to Sinsang as Parquet: python examples/lab.py PRODUCTS USERS FOLDER, text files with an id in each line."""

import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

products, users = (Path(name).read_text(encoding="utf-8").split() for name in sys.argv[1:3])
folder = Path(sys.argv[3])
width, draw = 96, random.Random(1)
# In place of a model: 24 directions that vectors lie in, so that 64 of the 96 numbers can hold
# them.
base = [[draw.gauss(0, 1) for _ in range(width)] for _ in range(24)]


def vectors(count):
    mixes = [[draw.gauss(0, 1) for _ in base] for _ in range(count)]
    rows = [[sum(a * b[at] for a, b in zip(mix, base)) for at in range(width)] for mix in mixes]
    return pa.array(rows, pa.list_(pa.float32(), width))


pq.write_table(pa.table({"product_id": products, "vector": vectors(len(products))}), folder / "products.parquet")
pq.write_table(pa.table({"user_id": users, "vector": vectors(len(users))}), folder / "users.parquet")
lists = [draw.sample(products, k=min(9, len(products))) for _ in users]
pq.write_table(pa.table({"user_id": users, "products": lists}), folder / "lists.parquet")
