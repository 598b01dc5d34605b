assert secret() == b"a secret"
