import cmd
import code


class Shell(cmd.Cmd):
    prompt = ""

    def do_add(self, line):
        print(sum(map(int, line.split())))

    def do_EOF(self, line):
        return True


Shell().cmdloop()
code.InteractiveInterpreter().runsource("print(6 * 7)")
