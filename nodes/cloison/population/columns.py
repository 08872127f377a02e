"""Tables as Parquet: the cells of the house's CSV, in columns of text that hold no null.

One file a dataset and body. Which dataset it is stands in the file's own metadata.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cloison.errors import StorageError

DATASET_KEY = b"cloison"
_BLOCK_BYTES = 1 << 22


def write_parquet(
    target: Path, dataset: str, columns: Sequence[str], parts: Sequence[Path]
) -> None:
    """Write the rows of the parts, in their order; memory does not grow with them.

    Args:
        target: A file that does not exist yet.
        dataset: Name of the dataset in the catalogue.
        columns: Their names.
        parts: Files of rows, each line ended, cells joined by `;`; none is empty.

    Raises:
        StorageError: `OUT_WRITE`.
    """
    fields = [pa.field(name, pa.string(), nullable=False) for name in columns]
    schema = pa.schema(fields, metadata={DATASET_KEY: f"{dataset} 1".encode()})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            target.open("xb") as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as out,
        ):
            for part in parts:
                for batch in _batches(part, schema):
                    out.write_batch(batch)
    except OSError as error:
        raise StorageError("OUT_WRITE", f"file `{target.name}`: {error.strerror}") from error


def _batches(part: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pa_csv.open_csv(
        part,
        pa_csv.ReadOptions(column_names=schema.names, block_size=_BLOCK_BYTES),
        pa_csv.ParseOptions(delimiter=";", quote_char=False),
        pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in schema.names}, strings_can_be_null=False
        ),
    ) as reader:
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
