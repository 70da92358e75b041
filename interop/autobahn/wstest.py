# Python 2.7, run by the suite's own interpreter.
"""The suite's `wstest`, with fewer messages in the cases of compression.

    wstest.py MESSAGES ARGUMENTS_OF_WSTEST...

Each case of sections 12 and 13 sends MESSAGES messages in place of its 1,000, and says so in its
report; 0 leaves the suite as it is. All the rest is the suite, unmodified.
"""

import sys

import autobahntestsuite.wstest as wstest  # first: it chooses Twisted's reactor
from autobahntestsuite.case import Cases

messages = int(sys.argv.pop(1))
if messages > 0:
    for case in Cases:
        if case.__name__.startswith(("Case12_", "Case13_")):
            case.COUNT = min(messages, case.COUNT)
            case.DESCRIPTION += " Shortened to %d messages." % case.COUNT
wstest.run()
