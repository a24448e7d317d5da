"""The same step on the threads of a CPU, on the ranks of MPI, on several GPUs."""

from minialex.parallel.chunks import BLOCK, CHUNK, FEW, Chunks, ColumnBlocks, by_image_chunks, for_backend
from minialex.parallel.comm import Mpi, Nccl, world
from minialex.parallel.data import DataParallel
from minialex.parallel.team import ALONE, Share, Team
from minialex.parallel.together import TEAMS, cores, from_first, in_turn, on_ranks, team_of
from minialex.parallel.towers import Exchange, Logits, Towers, towers

__all__ = [
    "ALONE",
    "BLOCK",
    "CHUNK",
    "FEW",
    "Chunks",
    "ColumnBlocks",
    "DataParallel",
    "Exchange",
    "Logits",
    "Mpi",
    "Nccl",
    "Share",
    "TEAMS",
    "Team",
    "Towers",
    "by_image_chunks",
    "cores",
    "for_backend",
    "from_first",
    "in_turn",
    "on_ranks",
    "team_of",
    "towers",
    "world",
]
