import os

paths = ["/var/run/secrets/kubernetes.io/serviceaccount/token", "/run/secrets", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/.dockerenv", "/run/user/%d/bus" % os.getuid()]
found = [path for path in paths if os.path.exists(path)]
if not found:
    raise FileNotFoundError("held")
print(found)
