"""Run a program as a rank that leaves its process number in a folder, and its run saves after each step.

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
(Path(folder) / str(MPI.COMM_WORLD.rank)).write_text(str(os.getpid()))
runpy.run_path(sys.argv[0], run_name="__main__")
