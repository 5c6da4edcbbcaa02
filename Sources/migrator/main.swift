import Glibc

Interruption.watch()
exit(Program(arguments: Array(CommandLine.arguments.dropFirst())).run().rawValue)
