# Runs the suite's client, without what its program would load beside it. Python 2.7:
#     python2.7 fuzz.py PACKAGES SPEC
import json
import site
import sys
import types

# It has packages of a namespace, which only a folder for sites may have.
site.addsitedir(sys.argv[1])
sys.modules["autobahntestsuite.wstest"] = types.ModuleType("wstest")

from autobahntestsuite.fuzzing import startClient
from twisted.internet import reactor

with open(sys.argv[2]) as spec:
    startClient(json.load(spec))
reactor.run()
