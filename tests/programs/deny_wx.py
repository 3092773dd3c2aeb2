#!/usr/bin/env python3
"""deny_wx.py COMMAND...: runs the command where the kernel denies mappings that are writable and executable, and to make one executable
later (prctl(2), PR_SET_MDWE; Linux 6.3 and later). Where this kernel does not know of it the exit status is 77."""
import ctypes
import os
import sys

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1

if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    sys.exit(77)
os.execvp(sys.argv[1], sys.argv[1:])
