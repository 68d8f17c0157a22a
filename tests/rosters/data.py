"""What `data` computes: nothing; it keeps, writes and watches."""

CASES = []

EXEMPT = {
    "PLATFORMS": "names of platforms",
    "Artifact": "calls a program that was compiled ahead; tests/data/test_artifact.py",
    "Slot": "describes an array in words",
    "load_artifact": "reads a file",
    "save_artifact": "writes a file",
    "JsonLines": "writes a file",
    "Progress": "draws a progress bar",
    "RunDirectory": "keeps a folder on disk",
    "Statistics": "a record of means and deviations; plain NumPy on the host",
    "StopSignal": "listens to the operating system",
    "Windows": "reads from files as it is asked",
    "atomic_write": "writes a file",
    "check_same_config": "compares two configurations",
    "TensorBoard": "writes event files",
    "Trajectory": "a record; it goes through every transformation inside `solve`",
    "TrajectoryReader": "reads a file",
    "load_trajectories": "reads a file",
    "open_pdebench": "opens a file",
    "open_well": "opens a file",
    "save_pdebench": "writes a file",
    "save_trajectories": "writes a file",
    "save_well": "writes a file",
    "statistics": "reads files, block by block, on the host",
    "trajectory_path": "looks at the suffix of a path",
}
