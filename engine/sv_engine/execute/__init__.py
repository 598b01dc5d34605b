"""The door to the sandbox: every program against every test."""
