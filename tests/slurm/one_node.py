"""A real Slurm of one node on the loopback, for tests: munged, slurmctld and slurmd from Debian's packages.

    python tests/slurm/one_node.py        starts one, says how to use it, ends it on Ctrl-C

Everything it writes lies in one folder, everything it starts ends with it. It needs root, for Slurm starts jobs as
their owner, and `apt-get install slurm-wlm munge`; `why_not` says in a line what is missing.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_DAEMONS = ("munged", "slurmctld", "slurmd")
_CLIENTS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "munge")
_START_SECONDS = 60.0

_CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
# A requeued job starts again only after its credential has expired: seconds, where 120 is the default.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# No cgroups: a container seldom lets them be made.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=defer_batch,sched_interval=2,sched_min_interval=100000,bf_interval=2
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=500 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE OverSubscribe=FORCE:4 State=UP
"""


def why_not() -> str:
    """What keeps Slurm from running here, in a line; empty where nothing does."""
    if os.geteuid() != 0:
        return "a one-node Slurm needs root"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [name for name in (*_DAEMONS, *_CLIENTS) if shutil.which(name, path=path) is None]
    return f"no {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else ""


class OneNode:
    """`with OneNode() as node:` a Slurm whose clients find it with `node.env`; RuntimeError where it does not start."""

    def __init__(self, cpus: int | None = None) -> None:
        """cpus: cores it says it has, by default those of this machine."""
        self.cpus = cpus or os.cpu_count() or 1
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.env = {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "OneNode":
        try:
            self._munge()
            self._slurm()
            self._wait("idle", lambda: "idle" in self._said("sinfo", "--noheader", "--format=%T"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End jobs, then the daemons, last started first, then remove the folder."""
        if len(self._processes) == len(_DAEMONS):
            subprocess.run(["scancel", "--user=root"], env=self._env(), check=False, timeout=30)
            deadline = time.monotonic() + 30
            while self._said("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.5)
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The last words of the daemons."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{file.name}: {file.read_text(errors='replace')[-1500:]}" for file in files)

    def _munge(self) -> None:
        self.folder.chmod(0o755)  # munge refuses a socket in a folder others cannot enter
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = [
            f"--{name}={self.folder}/munge.{name.partition('-')[0]}" for name in ("socket", "pid-file", "log-file")
        ]
        files.append(f"--seed-file={self.folder}/munge.seed")
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *files)
        self._wait("munged", (self.folder / "munge.socket").exists)

    def _slurm(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        ports = dict(zip(("controller", "node"), _free_ports(2), strict=True))
        conf = _CONF.format(host=socket.gethostname().partition(".")[0], folder=self.folder, cpus=self.cpus, **ports)
        Path(self.env["SLURM_CONF"]).write_text(conf)
        self._start("slurmctld", "-D", "-c")
        self._start("slurmd", "-D")

    def _start(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out.log").open("wb")
        # Its own session: Ctrl-C in the terminal is for the tests, which end the daemons in order.
        self._processes.append(
            subprocess.Popen(command, env=self._env(), stdout=log, stderr=log, start_new_session=True)
        )
        log.close()

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            ended = [process.args for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"Slurm does not come up ({what}): {ended or 'too slow'}\n{self.log()}")
            time.sleep(0.2)

    def _said(self, *command: str) -> str:
        done = subprocess.run(command, env=self._env(), capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.strip()

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    if reason := why_not():
        raise SystemExit(reason)
    with OneNode() as node:
        print(f"export SLURM_CONF={node.env['SLURM_CONF']}   # then sbatch, squeue; Ctrl-C here ends it")
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("ending")
