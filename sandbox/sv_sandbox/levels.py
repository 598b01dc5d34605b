"""Layers of the jail and the levels they add up to.

A template reports which layers it really has (a bit mask from `native/sv.h`, `enum sv_layer`);
this file names them, says what each is for, and orders them into levels that a caller can require.
"""

from __future__ import annotations

import enum


class Layer(enum.IntFlag):
    """One layer of the jail; values mirror `enum sv_layer`."""

    SECCOMP = 1 << 0
    RLIMITS = 1 << 1
    NO_NEW_PRIVS = 1 << 2
    CAPABILITIES = 1 << 3
    LANDLOCK = 1 << 4
    USER_NAMESPACE = 1 << 5
    PID_NAMESPACE = 1 << 6
    MOUNT_NAMESPACE = 1 << 7
    NETWORK_NAMESPACE = 1 << 8
    IPC_NAMESPACE = 1 << 9
    UTS_NAMESPACE = 1 << 10
    OWN_UID = 1 << 11


PURPOSE = {
    Layer.SECCOMP: "allow-list of system calls: no sockets, no ptrace, no namespaces, no keyrings",
    Layer.RLIMITS: "CPU, address space, file size, open files, tasks, no core files",
    Layer.NO_NEW_PRIVS: "no set-uid program can raise privileges",
    Layer.CAPABILITIES: "every capability dropped, bounding set empty",
    Layer.LANDLOCK: "file access confined to read-only system paths and the scratch folder",
    Layer.USER_NAMESPACE: "own user namespace",
    Layer.PID_NAMESPACE: "sees and signals no process but its own; everything left is killed",
    Layer.MOUNT_NAMESPACE: "private read-only root and a private scratch file system",
    Layer.NETWORK_NAMESPACE: "a network with no interface up",
    Layer.IPC_NAMESPACE: "own System V and POSIX queues, semaphores, shared memory",
    Layer.UTS_NAMESPACE: "own host name",
    Layer.OWN_UID: "a uid that owns nothing outside",
}

_BASIC = Layer.SECCOMP | Layer.RLIMITS | Layer.NO_NEW_PRIVS | Layer.CAPABILITIES
_ISOLATED = (
    _BASIC
    | Layer.PID_NAMESPACE
    | Layer.MOUNT_NAMESPACE
    | Layer.NETWORK_NAMESPACE
    | Layer.IPC_NAMESPACE
)


class Level(enum.IntEnum):
    """How much holds a program in; each level includes the one before."""

    NONE = 0
    BASIC = 1
    """seccomp, rlimits, no capabilities: no network, no new processes; files of the same user
    can be read."""
    CONFINED = 2
    """and files are confined, by Landlock or a private root."""
    ISOLATED = 3
    """and private pid, mount, network and IPC namespaces."""

    @classmethod
    def of(cls, layers: Layer) -> Level:
        """The highest level that these layers reach."""
        if _ISOLATED in layers:
            return cls.ISOLATED
        if _BASIC in layers:
            confined = layers & (Layer.LANDLOCK | Layer.MOUNT_NAMESPACE)
            return cls.CONFINED if confined else cls.BASIC
        return cls.NONE

    @classmethod
    def parse(cls, text: str) -> Level:
        """A level by its name, in any case. Raises ValueError that lists the names."""
        try:
            return cls[text.upper()]
        except KeyError:
            names = ", ".join(level.name.lower() for level in cls)
            raise ValueError(f"unknown level {text!r}: one of {names}") from None
