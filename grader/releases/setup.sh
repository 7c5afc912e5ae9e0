#!/bin/sh
# setup.sh - prepares Gradescope's container, once, when this autograder is uploaded. It needs Ubuntu 24.04 or Debian 12, or newer.
exec sh /autograder/source/kit/grader/setup.sh lab
