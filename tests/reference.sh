#!/bin/sh
# The program against the independent reference data kept in tests/reference.
exec "$1/tests/reference" "$1/ascent" tests/reference
