"""`gateway serve`: a bench that stays, with its control port and one line for each thing that happens."""

import json
import sys
import threading
import time
from pathlib import Path

from host_sim.gateway.bench import Bench
from host_sim.gateway.control import Control
from host_sim.gateway.gateway import GatewayError
from host_sim.gateway.hub import Notice
from host_sim.gateway.provision import write_board
from host_sim.gateway.store import Registration, StoreError
from host_sim.params import plain

_QUIET = ("heartbeat", "telemetry")


def serve(folder: str, port: int, tenant_id: str, verbose: bool, stop: threading.Event) -> int:
    """Run until `stop` is set. 0, or 1 if it could not start; the reason is on stderr."""
    try:
        bench = Bench(folder, port, tenant_id=tenant_id)
        bench.start()
    except (StoreError, GatewayError) as error:
        print(f"host_sim gateway: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"host_sim gateway: cannot use port {port} or {folder}: {error}", file=sys.stderr)
        return 1

    def new_board(registration: Registration, board: str) -> Path:
        files = bench.board_files(registration, board)
        return write_board(Path(folder) / "boards" / registration.device_id, files)

    try:
        bench.gateway.listen(lambda notice: _print(notice, verbose))
        with Control(bench.gateway, folder, new_board):
            print(f"tenant {bench.gateway.tenant_id}, broker {bench.url}, data {folder}", flush=True)
            while not stop.wait(1.0):
                pass
    finally:
        bench.stop()
    print("stopped", flush=True)
    return 0


def _print(notice: Notice, verbose: bool) -> None:
    if notice.kind in _QUIET and not verbose:
        return
    who = (notice.device_id or "-")[:8]
    told = notice.code
    if notice.kind == "refused":
        told += f" on {notice.topic[:120]}"
    elif notice.ticket is not None:
        told = f"{notice.ticket.action} {notice.ticket.state} {told}"
    elif notice.kind in ("state", "telemetry", "ack"):
        told = json.dumps(notice.body, sort_keys=True)
    print(plain(f"{time.strftime('%H:%M:%S')} {who} {notice.kind} {told}").rstrip(), flush=True)
