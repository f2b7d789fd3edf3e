#!/bin/bash
# Leaves a process behind that goes on long after the script has ended.
setsid nohup bash -c 'while true; do sleep 1; done' > /dev/null 2>&1 < /dev/null &
disown
exit 7
