import asyncio
import subprocess
import sys

run = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True)
print(run.stdout.strip(), run.returncode)
print(subprocess.check_output("echo a | tr a b", shell=True, text=True).strip())
try:
    subprocess.run(["sleep", "5"], timeout=0.1)
except subprocess.TimeoutExpired:
    print("too long")


async def main():
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print(await child.communicate(b"through a pipe"), child.returncode)


asyncio.run(main())
