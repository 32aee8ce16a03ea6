# SPDX-License-Identifier: Apache-2.0
"""
peers - p11-kit's server and ssh-agent with the same token, for the comparison

Both run as the token's user, like what uses the token directly. They take a PIN from their clients; the service's point
is that clients have none, so only the speed is compared.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import time

CLIENT_MODULE = next(iter(pathlib.Path("/usr/lib").glob("*/pkcs11/p11-kit-client.so")), None)
SERVER = pathlib.Path("/usr/libexec/p11-kit/p11-kit-server")


class Peers:
    """Those that are installed; `missing` says which are not."""

    def __init__(self, world):
        self.world, self.running, self.missing, self.p11_socket, self.agent_socket = world, [], [], None, None
        self.folder = world.folder / "peers"
        self.folder.mkdir(mode=0o700)
        if world.is_root:
            os.chown(self.folder, world.token_user["user"], world.token_user["group"])

    def start(self):
        if CLIENT_MODULE and SERVER.exists():
            self.p11_socket = self.folder / "p11-kit"
            self.spawn(self.p11_socket, "p11-kit", "server", "-f", "-n", self.p11_socket, "-p", self.world.module,
                       "pkcs11:token=keysvc")
        else:
            self.missing.append("p11-kit")
        if shutil.which("ssh-agent"):
            self.agent_socket = self.folder / "agent"
            self.spawn(self.agent_socket, "ssh-agent", "-D", "-a", self.agent_socket, "-P", "/usr/lib/*")
            self.add_keys()
        else:
            self.missing.append("ssh-agent")

    def spawn(self, socket, *command):
        self.running.append(subprocess.Popen([str(word) for word in command], env=self.world.env, stdout=subprocess.DEVNULL,
                                             stderr=subprocess.DEVNULL, process_group=0, **self.world.token_user))
        for _ in range(100):
            if socket.exists():
                return
            time.sleep(0.1)
        raise SystemExit(f"{command[0]} did not start")

    def add_keys(self):
        ask = self.folder / "askpass"
        ask.write_text(f"#!/bin/sh\necho {self.world.pin_text}\n")
        ask.chmod(0o755)
        env = {**self.world.env, "SSH_AUTH_SOCK": str(self.agent_socket), "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-s", self.world.module], env=env, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.world.token_user)

    def commands(self, row, seconds):
        """What measures this row with each peer that can do it: an ssh-agent's client has one request open."""
        bench, commands = self.world.build / "tests/bench/bench", {}
        processes, threads = row.direct
        if self.p11_socket:
            commands["p11-kit"] = [bench, "direct", CLIENT_MODULE, self.world.folder / "direct-pin", f"{row.key}@1", row.kind,
                                   processes, threads, seconds]
        if self.agent_socket and threads == 1:
            commands["ssh-agent"] = [bench, "agent", self.agent_socket, row.kind, processes, seconds]
        return commands

    def environment(self):
        return {"P11_KIT_SERVER_ADDRESS": f"unix:path={self.p11_socket}"} if self.p11_socket else {}

    def pids(self):
        """The p11-kit server starts a process for each client: they inherit where they may run."""
        return [process.pid for process in self.running] + [
            int(child) for process in self.running
            for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]

    def stop(self):
        for process in self.running:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            process.wait(10)
