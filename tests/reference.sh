#!/bin/sh
# The program against the independent reference data kept in tests/reference.
exec "$1/tests/reference" --max-states 600 "$1/ascent" tests/reference
