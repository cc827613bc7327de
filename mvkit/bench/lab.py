"""A real JupyterLab of its own, on this machine only, and a Chromium to look at it: for tests and measurements."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mvkit.errors import RunError

START = 180  # seconds for the server, and for the page with its kernel; a quiet machine needs ten
# A command given before the kernel is chosen opens a dialog instead.
READY = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return session?.isReady && session.session?.kernel?.connectionStatus === 'connected';
}"""
STATE = """() => {
  const cells = jupyterapp.shell.currentWidget.content.widgets
    .map((cell) => cell.model).filter((cell) => cell.type === 'code' && cell.sharedModel.source.trim());
  const outputs = cells.flatMap((cell) => cell.outputs.toJSON());
  const failed = outputs.find((output) => output.output_type === 'error');
  const running = document.querySelectorAll('.jp-CodeCell.jp-mod-running, .jp-CodeCell[data-status=running]').length;
  return {
    failed: failed ? `${failed.ename}: ${failed.evalue}` : null,
    left: running + cells.filter((cell) => cell.executionCount === null).length,
  };
}"""


def find_chromium() -> str | None:
    """Path of a Chromium that is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


_users: list[Any] = []  # Playwright allows one of itself in a thread: who comes second shares it


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, a `Browser` of Playwright, shared by all who have it open. Raises RunError without one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RunError("playwright is not installed: pip install 'mvkit[dev]'") from None
    if (path := find_chromium()) is None:
        raise RunError("no Chromium on this machine: install the package chromium")
    if not _users:
        playwright = sync_playwright().start()
        _users.append((playwright, playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])))
    else:
        _users.append(_users[0])
    playwright, browser = _users[0]
    try:
        yield browser
    finally:
        _users.pop()
        if not _users:
            browser.close()
            playwright.stop()


class Lab:
    """JupyterLab with its settings, notebooks and reports in a folder of its own, ended with all its kernels on exit.

        with Lab(Path("notebooks")) as lab:
            page = lab.open("01_masking_explorer")      # a Playwright page, all cells run

    notebooks: where `open` copies from. Raises RunError where Playwright or Chromium is missing.
    """

    def __init__(self, notebooks: Path, *, size: tuple[int, int] = (1500, 1100)) -> None:
        self.notebooks, self.size = notebooks, size
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        browser = self._stack.enter_context(chromium())
        self.browser = f"Chromium {browser.version}"
        self._temporary = tempfile.TemporaryDirectory(prefix="mvkit-lab-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name).resolve()
        (self.folder / "notebooks").mkdir()
        self._token = secrets.token_hex(16)
        try:
            self._serve()
        except BaseException:
            self._stack.close()
            raise
        self._context = browser.new_context(viewport={"width": self.size[0], "height": self.size[1]})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        self._stack.close()
        # The server ends its kernels when it is asked to; what is left of its group after that is killed.
        self._server.send_signal(signal.SIGTERM)
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(5)
        self._log.close()
        self._temporary.cleanup()

    def open(self, notebook: str | Path, *, timeout: float = 180, run: bool = True) -> Any:
        """A Playwright page of a copy of a notebook, given by name or path, all its cells run.

        timeout: seconds for that. Raises RunError where a cell fails or takes longer.
        """
        source = Path(notebook)
        if source.suffix != ".ipynb":
            source = self.notebooks / f"{notebook}.ipynb"
        if not source.is_file():
            raise RunError(f"no notebook {source}")
        shutil.copy(source, self.folder / "notebooks" / source.name)
        page = self._context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.url}/doc/tree/notebooks/{source.name}?token={self._token}", wait_until="domcontentloaded")
        try:
            page.wait_for_function(READY, timeout=1000 * START)
        except Exception as err:  # a notebook that names no kernel gets a dialog here
            raise RunError(f"JupyterLab has no kernel ready for {source.name} after {START} s") from err
        if run:
            self.run_all(page, timeout=timeout)
        return page

    def run_all(self, page: Any, *, timeout: float = 180) -> None:
        """Run all cells and wait. Raises RunError where one fails or it takes longer."""
        page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
        end = time.monotonic() + timeout
        while True:
            state = page.evaluate(STATE)
            if state["failed"]:
                raise RunError(f"a cell failed: {state['failed']}")
            if not state["left"]:
                return
            if time.monotonic() > end:
                raise RunError(f"{state['left']} cells were not done after {timeout:g} s")
            page.wait_for_timeout(100)

    def _serve(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        home = self.folder / "jupyter"
        quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
        quiet.mkdir(parents=True)
        said = {"fetchNews": "false", "checkForUpdates": False}
        (quiet / "notification.jupyterlab-settings").write_text(json.dumps(said))
        env = {name: value for name, value in os.environ.items() if name not in ("JPY_SESSION_NAME", "JPY_PARENT_PID")}
        env |= {
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
        }
        options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
        options += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={self._token}"]
        options += [f"--ServerApp.root_dir={self.folder}", "--LabApp.expose_app_in_browser=True"]
        options += ["--LabApp.extension_manager=readonly"]  # no list of extensions from the network
        self._log = (self.folder / "server.log").open("wb")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=env, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + START
        while True:
            try:
                request = urllib.request.Request(f"{self.url}/api", headers={"Authorization": f"token {self._token}"})
                urllib.request.urlopen(request, timeout=2).close()
                return
            except (urllib.error.URLError, OSError):
                if self._server.poll() is not None or time.monotonic() > end:
                    said = (self.folder / "server.log").read_text(errors="replace").strip().splitlines()[-1:]
                    raise RunError(f"JupyterLab did not start: {' '.join(said)}") from None
                time.sleep(0.2)
