"""Run a program as a rank that leaves its process number in a folder at each step, and saves after it.

mpiexec -n 2 python tests/one_rank.py FOLDER PROGRAM [arguments]
"""

import os
import runpy
import sys
from pathlib import Path

from mpi4py import MPI

from minialex import train

folder, *sys.argv = sys.argv[1:]
train.SAVE_EVERY = -1  # seconds
os.fsync = lambda handle: None  # slow, and of use only where the machine itself dies
plain = train.step


def step(*args, **kwargs):
    (Path(folder) / str(MPI.COMM_WORLD.rank)).write_text(str(os.getpid()))
    return plain(*args, **kwargs)


train.step = step
runpy.run_path(sys.argv[0], run_name="__main__")
