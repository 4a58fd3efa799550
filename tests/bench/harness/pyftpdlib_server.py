"""pyftpdlib as its documentation starts it: PORT USER PASSWORD HOME FOLDER UID."""

# MFMT wants it, and who is nobody may not be able to read it later.
import _strptime  # noqa: F401
import logging, os, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

ROOM = 20_000


def main(port, user, password, home, folder, uid):
    os.chown(folder, int(uid), int(uid))
    # Transfers are logged at the level of information, each command below it.
    logging.basicConfig(filename=f"{folder}/transfers", level=logging.WARNING)
    handler = TLS_FTPHandler
    handler.certfile = f"{folder}/both.pem"
    handler.authorizer = DummyAuthorizer()
    handler.authorizer.add_user(user, password, home, perm="elradfmwMT")
    handler.timeout = 36_000
    server = FTPServer(("127.0.0.1", int(port)), handler, backlog=1024)
    server.max_cons = ROOM
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    server.serve_forever()


main(*sys.argv[1:])
