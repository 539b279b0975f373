"""`python -m usbook` and the command `usbook`."""


def start()->int: # exit code
    "Run one command; Ctrl-C gets its sentence even while the program is still being loaded"
    import os
    import signal
    def early(signum, frame):
        os.write(2, b'Interrupted; earlier runs and caches are whole, and the same command starts cleanly.\n')
        os._exit(130)
    try: before = signal.signal(signal.SIGINT, early)
    except ValueError: before = None # not the main thread
    from usbook.cli.main import main
    if before is not None: signal.signal(signal.SIGINT, before)
    return main()


if __name__ == '__main__':
    import sys
    sys.exit(start())
