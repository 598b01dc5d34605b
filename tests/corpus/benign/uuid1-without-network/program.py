import uuid

print(uuid.uuid1().version)
