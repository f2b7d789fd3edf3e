#!/bin/bash
# usage: logfilter.sh LEVEL
if [ $# -ne 1 ]; then
    echo "usage: logfilter.sh LEVEL" >&2
    exit 2
fi
found=1
while read -r _ time level message; do
    if [ "$level" = "$1" ]; then
        printf '%s %s\n' "$time" "$message"
        found=0
    fi
done
exit $found
