"""The same step on the threads of a CPU."""

from minialex.parallel.chunks import BLOCK, CHUNK, FEW, Chunks, ColumnBlocks, by_image_chunks, for_backend

__all__ = ["BLOCK", "CHUNK", "FEW", "Chunks", "ColumnBlocks", "by_image_chunks", "for_backend"]
