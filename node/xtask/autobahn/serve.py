# Runs the suite's server, to which the example connects for each case: a peer of its own tells it to. Python 2.7:
#     python2.7 serve.py PACKAGES SPEC
# SPEC has the address of the example as "echo".
import json
import site
import sys
import types

# It has packages of a namespace, which only a folder for sites may have.
site.addsitedir(sys.argv[1])
sys.modules["autobahntestsuite.wstest"] = types.ModuleType("wstest")

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS, listenWS
from autobahntestsuite.fuzzing import FuzzingServerFactory
from twisted.internet import reactor

with open(sys.argv[2]) as spec:
    spec = json.load(spec)


class Server(FuzzingServerFactory):
    def logCase(self, results):
        FuzzingServerFactory.logCase(self, results)
        reactor.callLater(0, peers.peer.next)


class Peer(WebSocketClientProtocol):
    case = 0

    def onOpen(self):
        self.factory.peer = self
        self.next()

    def next(self):
        self.case += 1
        if self.case > len(server.specCases):
            server.createReports()
            reactor.stop()
            return
        url = "%s/runCase?case=%d&agent=wrt" % (spec["url"], self.case)
        self.sendMessage(("/connect " + url).encode("ascii"))

    def onMessage(self, told, binary):
        if not told.startswith("connected to "):
            print told
            reactor.stop()

    def onClose(self, clean, code, reason):
        if reactor.running:
            print "the example has closed its peer: %s %s" % (code, reason)
            reactor.stop()


server = Server(spec)
listenWS(server)
peers = WebSocketClientFactory(spec["echo"])
peers.protocol = Peer
connectWS(peers)
reactor.run()
